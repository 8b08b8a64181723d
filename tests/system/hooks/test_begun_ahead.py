"""A process that was started ahead begins when it is told to, with the files of that time, or does not begin."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from portage_ext.tasks import ahead
from tests.testkit import environments

# Portage is not imported here: that is for test_ahead.py.
_PROGRAM = """
import os
import select
import sys
import changing
if "--ahead" not in sys.argv:
    print("again", changing.VALUE)
    sys.exit()
from portage_ext import limits
from portage_ext.tasks import ahead
limits.AHEAD_WAIT = float(sys.argv[1])
really = select.select
select.select = lambda *arguments: print("waits", flush=True) or really(*arguments)
told = ahead.told(int(sys.argv[sys.argv.index("--ahead") + 1]), lambda: None)
print("not told" if told is None else "told", changing.VALUE)
for descriptor in told or ():
    print(os.get_inheritable(descriptor), os.read(descriptor, 100).decode())
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """The program, which waits when this returns."""
    (tmp_path / "changing.py").write_text("VALUE = 'first'\n")
    (tmp_path / "program.py").write_text(_PROGRAM)

    def started(wait: float = 300, since: int | None = None, stdin: int = subprocess.PIPE) -> subprocess.Popen[str]:
        # What is imported was written a moment ago, which counts as changed: so emerge seems to have started this later.
        since = time.time_ns() + 3600 * 10**9 if since is None else since
        words = [sys.executable, str(tmp_path / "program.py"), str(wait), "--ahead", str(since)]
        process = subprocess.Popen(
            words, stdin=stdin, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(environments.CHECKOUT)}
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        return process

    return started


def test_it_begins_when_it_is_told_to(start: Start) -> None:
    assert start().communicate("\n")[0] == "told first\n"


@pytest.mark.parametrize("names", [(), ("Packages",), ("Packages", "Packages.gz")])
def test_it_gets_the_files_that_emerge_opened(start: Start, tmp_path: Path, names: Sequence[str]) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        process = start(stdin=theirs.fileno())
    opened = []
    for name in names:
        (tmp_path / name).write_text(f"the former {name}\n")
        opened.append(os.open(tmp_path / name, os.O_RDONLY))
        (tmp_path / name).unlink()
    with ours:
        ours.sendmsg([b"\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", opened))] if opened else [])
    for descriptor in opened:
        os.close(descriptor)
    assert process.communicate()[0] == "".join(["told first\n", *(f"False the former {name}\n\n" for name in names)])


def test_it_does_not_begin_when_emerge_closed_the_socket_without_a_word(start: Start) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        process = start(stdin=theirs.fileno())
    ours.close()
    assert process.communicate()[0] == "not told first\n"


def test_it_does_not_begin_when_emerge_ended_without_a_word(start: Start) -> None:
    assert start().communicate("")[0] == "not told first\n"


def test_it_does_not_wait_for_ever(start: Start) -> None:
    process = start(0.01)
    assert process.stdout is not None
    assert process.stdout.read() == "not told first\n"
    process.communicate()


@pytest.mark.parametrize("how", ["replaced", "written again", "removed"])
def test_it_starts_again_if_a_module_was_changed(start: Start, tmp_path: Path, how: str) -> None:
    process = start()
    module = tmp_path / "changing.py"
    if how == "removed":
        (tmp_path / "changing").mkdir()
        (tmp_path / "changing/__init__.py").write_text("VALUE = 'second'\n")
        module.unlink()
    elif how == "replaced":
        (tmp_path / "new").write_text("VALUE = 'second'\n")
        (tmp_path / "new").replace(module)
    else:
        module.write_text("VALUE = 'the second'\n")
    made = process.communicate("\n")[0]
    assert made.startswith("again ")
    assert made.endswith("second\n")


def test_it_does_not_begin_if_a_module_cannot_be_imported() -> None:
    def load() -> None:
        raise SyntaxError("half of a file, which emerge replaces just now")

    assert ahead.told(0, load) is None


def test_it_starts_again_if_a_module_may_have_changed_while_it_was_imported(start: Start) -> None:
    assert start(since=time.time_ns()).communicate("\n")[0] == "again first\n"


def test_ctrl_c_before_it_begins_is_not_for_it(start: Start) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        process = start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    process.send_signal(signal.SIGINT)
    assert process.communicate("\n")[0] == "told first\n"
    assert process.returncode == 0
