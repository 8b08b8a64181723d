"""The result of a step is a plain value, which the journal saves and the report shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """How a step ended. ``PARTLY``: it ended, but a person must act. ``FAILED``: it could not be done, and the run stops."""

    DONE = "done"
    NOTHING = "nothing to do"
    PARTLY = "partly"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Failed:
    """A failure: the package or mirror, the reason, the path of its log (or ""), and the last lines of that log."""

    what: str
    why: str
    log: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """Something that was held back, and the reason."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a step. ``line`` says what it did. ``came`` are new packages (CPV). ``told`` are more lines for the report.

    ``numbers`` and ``packages`` are for later steps, for example the number of the new release or the packages in the plan.
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
    """The result of a step that succeeded."""
    return Result(Outcome.DONE, line)


def nothing(line: str) -> Result:
    """The result of a step that had nothing to do."""
    return Result(Outcome.NOTHING, line)
