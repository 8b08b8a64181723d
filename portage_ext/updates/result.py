"""What a step of an update did, as values that the journal keeps and the report shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """``PARTLY``: the step ended, and something in it needs a person. ``FAILED``: it could not be done, and the run stops."""

    DONE = "done"
    NOTHING = "nothing to do"
    PARTLY = "partly"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Failed:
    """Something that failed: a package or a mirror, why, the file with its log (or ""), and the last lines of that log."""

    what: str
    why: str
    log: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """Something that was held back, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Result:
    """``line`` says what the step did. ``came`` are packages (CPV). ``told`` are further lines for the report.

    ``numbers`` and ``packages`` are for later steps: the release that was made, what the plan builds.
    """

    outcome: Outcome
    line: str
    came: tuple[str, ...] = ()
    failed: tuple[Failed, ...] = ()
    held: tuple[Held, ...] = ()
    told: tuple[str, ...] = ()
    numbers: Mapping[str, int] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    seconds: float = 0.0


def done(line: str) -> Result:
    """A step that did what it should."""
    return Result(Outcome.DONE, line)


def nothing(line: str) -> Result:
    """A step that had nothing to do."""
    return Result(Outcome.NOTHING, line)
