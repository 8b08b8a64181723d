"""What readers answer is taken for what it is: the word of a stranger, in bounded time."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from portage_ext.errors.repositories import ConfinementError
from portage_ext.repositories.pick.reading import Answer, Readers, Unreadable, answer

GOOD = {
    "cpv": "a/a-1",
    "values": {"EAPI": "8", "SLOT": "0", "EVIL": "x", "IUSE": "a\n b"},
    "eclasses": ["x", "../y"],
    "why": "",
}
PROGRAM = """
import json, sys, time
print("ready", flush=True)
for line in sys.stdin:
    cpv = line.strip()
    if cpv.startswith("endless"):
        time.sleep(1000)
    if cpv.startswith("ends"):
        sys.exit()
    if cpv.startswith("long"):
        print("x" * (2 << 20), flush=True)
    print(json.dumps({"cpv": cpv, "values": {"EAPI": "8", "SLOT": "0"}, "eclasses": [], "why": ""}), flush=True)
"""


def reader(program: str = PROGRAM) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_an_answer_has_known_keys_and_names_of_eclasses() -> None:
    found = answer(json.dumps(GOOD).encode(), "a/a-1")
    assert isinstance(found, Answer)
    assert (found.values["IUSE"], "EVIL" in found.values, found.eclasses) == ("a b", False, ("x",))


@pytest.mark.parametrize(
    ("said", "why"),
    [({**GOOD, "values": None, "why": "no\x00 EAPI"}, "no"), ({**GOOD, "cpv": "b/b-1"}, "no answer"), ([], "no answer"),
     ({**GOOD, "values": []}, "no answer"), ({**GOOD, "values": {"EAPI": "8"}}, "no SLOT")],
)  # fmt: skip
def test_anything_else_is_unreadable(said: object, why: str) -> None:
    found = answer(json.dumps(said).encode(), "a/a-1")
    assert isinstance(found, Unreadable)
    assert why in found.why


def test_an_ebuild_that_does_not_end_costs_its_own_reader_alone() -> None:
    started = []

    def start() -> subprocess.Popen[bytes]:
        started.append(reader())
        return started[-1]

    # A busy machine may need longer for an answer that comes.
    for seconds in (0.5, 20):
        started.clear()
        with Readers(start, most=1, seconds=seconds) as readers:
            found = readers.read(["a/a-1", "endless/x-1", "b/b-1", "ends/x-1", "long/x-1", "c/c-1"])
        if sum(isinstance(one, Answer) for one in found.values()) == 3:
            break
    assert {cpv for cpv, one in found.items() if isinstance(one, Answer)} == {"a/a-1", "b/b-1", "c/c-1"}
    endless = {cpv: one.why for cpv, one in found.items() if isinstance(one, Unreadable) and one.endless}
    assert endless["endless/x-1"] == f"it did not come to an end in {seconds} s"
    assert set(endless) == {"endless/x-1", "ends/x-1", "long/x-1"}
    assert len(started) == 4
    assert all(one.returncode is not None for one in started)


def test_a_closure_that_is_read_in_steps_starts_no_reader_a_step() -> None:
    started = []

    def start() -> subprocess.Popen[bytes]:
        started.append(reader())
        return started[-1]

    with Readers(start, most=2) as readers:
        for step in range(5):
            found = readers.read([f"a/a{number}-{step}" for number in range(8)])
            assert all(isinstance(one, Answer) for one in found.values())
        assert len(found) == 8
        assert len(started) <= 2
        assert {one.poll() for one in started} == {None}
    assert all(one.returncode is not None for one in started)


def test_a_reader_that_does_not_start_is_named() -> None:
    with pytest.raises(ConfinementError, match="cannot import everything"):
        Readers(lambda: reader("raise SystemExit('cannot import everything')")).read(["a/a-1"])
