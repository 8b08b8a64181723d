"""The first bad step of a sequence is found by halves, and a step that cannot be tested is skipped, as in git-bisect(1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What a test of one step says."""

    GOOD = "good"
    BAD = "bad"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Found:
    """The first step that is known to be bad, and the last that is known to be good.

    If steps between them were skipped, one of those may be the first bad one.
    """

    good: int
    bad: int

    @property
    def exact(self) -> bool:
        return self.bad == self.good + 1


def first_bad(last: int, test: Callable[[int], Verdict]) -> Found:
    """Find where the steps 0 to ``last`` turn bad; 0 is good and ``last`` is bad, and neither is tested.

    Without skipped steps, ``test`` is called at most ceil(log2(last)) times.
    """
    good, bad = 0, last
    skipped: set[int] = set()
    while left := [step for step in range(good + 1, bad) if step not in skipped]:
        middle = min(left, key=lambda step: (abs(2 * step - good - bad), step))
        match test(middle):
            case Verdict.GOOD:
                good = middle
            case Verdict.BAD:
                bad = middle
            case Verdict.SKIPPED:
                skipped.add(middle)
    return Found(good, bad)
