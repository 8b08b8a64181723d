"""An engine builds queued jobs on this host or elsewhere; the table ``ENGINES`` lists the available ones.

Only the ledger decides the state of a job, its place in the queue and its result (``ledger/standing``), whatever engine builds
it. An engine takes queued jobs as attempts (``Ledger.take``), prepares the input of each (``issuing.issue``), and builds it in
an environment of its target, with ``performing.Performer`` or the command ``portage-ext builds perform``. It appends the output
of the build to the attempt's log, and passes the result to ``accepting.accept``. It may do that more than once for an attempt:
the fence makes sure that only one result is accepted.

Another package can add an engine with an entry point in the group ``portage_ext.engines``: a function that takes ``Means``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, cast

from portage_ext.builds.ledger.entries import Entry
from portage_ext.builds.means import Means
from portage_ext.errors import UsageError

ENTRY_POINTS: Final = "portage_ext.engines"
ENGINES: Final = {"local": "portage_ext.builds.local:engine", "buildbot": "portage_ext.swarm.engine:engine"}
"""The name of each engine, as in [build] engine of portage-ext.toml, and its factory function."""
LOCAL: Final = "local"


@dataclass(frozen=True, slots=True)
class Builder:
    """A builder: its name, the keys of the jobs that it is building, and why it takes no more jobs (empty: it takes jobs)."""

    name: str
    keys: tuple[str, ...] = ()
    closed: str = ""


class Engine(Protocol):
    """The methods of an engine. Each may raise LedgerError, OSError, and its own errors derived from PortageExtError."""

    @property
    def name(self) -> str: ...

    def submit(self, keys: Sequence[str]) -> None:
        """Start building these queued jobs and do not wait for them. Submitting a job again has no effect."""
        ...

    def work(self, keys: Sequence[str] | None, told: Callable[[Entry], None] = lambda entry: None) -> None:
        """Build these jobs (None: the whole queue) and wait for them. ``told`` is called with each job whose attempt ended.

        An interrupt ends the wait. Jobs that this process itself was building are then queued again.
        """
        ...

    def cancel(self, key: str) -> Entry:
        """Cancel a job, wherever it runs, and return its updated entry."""
        ...

    def drain(self, why: str) -> None:
        """Take no more jobs until :meth:`drain` is called with an empty ``why``. Running jobs are finished."""
        ...

    def builders(self) -> list[Builder]:
        """The builders, including idle ones."""
        ...

    def recover(self) -> list[str]:
        """Queue jobs again that dead processes or lost builders left. Returns their keys."""
        ...


Factory = Callable[[Means], Engine]


def engine(means: Means) -> Engine:
    """Make the engine that portage-ext.toml names. Raises UsageError if there is no engine with that name."""
    name = means.site.settings.building.engine
    if name in ENGINES:
        module, _, function = ENGINES[name].partition(":")
        return cast(Factory, getattr(importlib.import_module(module), function))(means)
    from importlib.metadata import entry_points  # this import takes 20 ms, so it is done only for engines of other packages

    for point in entry_points(group=ENTRY_POINTS, name=name):
        return cast(Factory, point.load())(means)
    raise UsageError(f"there is no engine {name!r} ([build] engine of portage-ext.toml); there is: {', '.join(ENGINES)}")
