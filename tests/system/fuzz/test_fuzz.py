"""A short part of ``make fuzz``, the same every time, and whatever once was found; and that the judge finds what it should."""

from __future__ import annotations

import time
from random import Random

import pytest

from tests.system.fuzz.everything import EVERY, REGRESSIONS
from tests.system.fuzz.judging import FindingError, Target, judge
from tests.system.fuzz.mutations import random_bytes

BY_NAME = {target.name: target for target in EVERY}
EXAMPLES = 40


@pytest.mark.parametrize("target", EVERY, ids=lambda target: target.name)
def test_honest_bytes_are_read_and_others_have_a_named_error(target: Target) -> None:
    seeds = target.seeds()
    for data in seeds:
        judge(target, data, exact=True)

    random = Random(target.name)
    for _ in range(EXAMPLES):
        judge(target, random_bytes(random, seeds, target.words, target.mend))


@pytest.mark.parametrize("path", sorted(REGRESSIONS.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_once_is_not_found_again(path) -> None:  # type: ignore[no-untyped-def]
    judge(BY_NAME[path.parent.name], path.read_bytes(), exact=True)


def spend(_data: bytes) -> None:
    until = time.process_time() + 60
    while time.process_time() < until:
        pass


def hoard(_data: bytes) -> None:
    bytearray(80 << 20)


def nest(data: bytes) -> None:
    nest(data)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda _: 1 / 0, "ZeroDivisionError"),
        (nest, "RecursionError"),
        (lambda _: dict[str, str]()["x"], "KeyError"),
        (hoard, "MiB"),
        (spend, "does not end"),
    ],
    ids=["no name", "recursion", "a key", "memory", "time"],
)
def test_the_judge_finds(call, what: str, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("tests.system.fuzz.judging._HUNG", 1)
    with pytest.raises(FindingError, match=what):
        judge(Target("x", list, call), b"", exact=True)


def test_a_named_error_is_no_finding() -> None:
    def refuse(_data: bytes) -> None:
        raise ValueError

    judge(Target("x", list, refuse, (ValueError,)), b"", exact=True)
