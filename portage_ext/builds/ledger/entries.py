"""What the ledger says of a job, of an attempt at it, and of a job that waits, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from portage_ext.builds.key import Job
from portage_ext.model import Cpv

if TYPE_CHECKING:
    from portage_ext.builds.orders import Failure

FINAL: Final = ("package", "differs")
"""Failures after which a request does not queue a job again; only a person does."""
State = Literal["queued", "running", "checked", "published", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A job in the ledger. ``result`` is the path of the accepted package, ``place`` its destination in PKGDIR.

    Times are seconds since the epoch."""

    key: str
    target: str
    job: Job
    state: State
    reason: str
    failure: Failure
    fence: int
    tries: int
    result: str
    place: str
    created: int
    changed: int
    priority: int = 0

    @property
    def cp(self) -> str:
        """category/name of the package."""
        return Cpv.parse(self.job.cpv).cp


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a job: its fence, runner and end (``ended`` is None while it runs). ``failure`` is what was to blame.

    ``group`` is the trust group of the runner, as the administrator of this host has set it."""

    key: str
    fence: int
    runner: str
    started: int
    ended: int | None
    outcome: str
    log: str
    failure: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Vote:
    """The result of an attempt at a job that several groups of builders must confirm: the path of the package."""

    group: str
    runner: str
    fence: int
    result: str


@dataclass(frozen=True, slots=True)
class Share:
    """A further target that wants the package of a job; ``place`` is the copy for it, made of the attempt ``fence`` (0: not yet
    complete)."""

    key: str
    target: str
    place: str
    fence: int


@dataclass(frozen=True, slots=True)
class Waits:
    """A summary of a queued job. ``lacks`` names what must be published first; ``fence`` is that of its last attempt, or 0.

    ``client`` is the client for which it is built, empty if it is for this host."""

    key: str
    target: str
    priority: int
    created: int
    fence: int
    lacks: str
    client: str = ""
