"""An engine has queued jobs built, somewhere; a table names those that there are.

The ledger is the only truth about jobs: their state, their place in the queue and their end are read there
(``builds/standing``), whatever engine works them. An engine takes queued jobs as attempts (``Ledger.take``), lays out what
each needs (``issuing.issue``), has it built by ``performing.Performer`` or the command ``portage-ext builds perform`` in an
environment of its target, appends what the build says to the attempt's log, and gives what came of it to
``accepting.accept``. It may do that more than once for an attempt: the fence sees to it that one result counts.

An engine of another package is an entry point of the group ``portage_ext.engines`` with a function that takes ``Means``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, cast

from portage_ext.builds.ledger import Entry
from portage_ext.builds.means import Means
from portage_ext.errors import UsageError

ENTRY_POINTS: Final = "portage_ext.engines"
ENGINES: Final = {"local": "portage_ext.builds.local:engine", "buildbot": "portage_ext.swarm.engine:engine"}
"""Name, as in [build] engine of portage-ext.toml, to where its factory is."""
LOCAL: Final = "local"


@dataclass(frozen=True, slots=True)
class Builder:
    """Who builds: a name, the keys that it works on now, and why it takes no further job (empty: it does)."""

    name: str
    keys: tuple[str, ...] = ()
    closed: str = ""


class Engine(Protocol):
    """What an engine does. Each method may raise LedgerError, OSError and errors of its own that are PortageExtErrors."""

    @property
    def name(self) -> str: ...

    def submit(self, keys: Sequence[str]) -> None:
        """See to it that these queued jobs are built, without waiting for them. Submitting a job again changes nothing."""
        ...

    def work(self, keys: Sequence[str] | None, told: Callable[[Entry], None] = lambda entry: None) -> None:
        """Bring these jobs (None: the whole queue) to their end, and wait for it; ``told`` gets each job whose attempt ended.

        An interrupt ends the wait. What this process itself was building then is queued again.
        """
        ...

    def cancel(self, key: str) -> Entry:
        """Cancel a job, wherever it runs; the entry afterwards."""
        ...

    def drain(self, why: str) -> None:
        """Take no further jobs until :meth:`drain` is called with an empty ``why``; what runs comes to its end."""
        ...

    def builders(self) -> list[Builder]:
        """Who builds, or could."""
        ...

    def recover(self) -> list[str]:
        """Queue what dead processes or lost builders left; the keys."""
        ...


Factory = Callable[[Means], Engine]


def engine(means: Means) -> Engine:
    """The engine that portage-ext.toml names. Raises UsageError where there is none of that name."""
    name = means.site.settings.building.engine
    if name in ENGINES:
        module, _, function = ENGINES[name].partition(":")
        return cast(Factory, getattr(importlib.import_module(module), function))(means)
    from importlib.metadata import entry_points  # takes 20 ms, so only for an engine of another package

    for point in entry_points(group=ENTRY_POINTS, name=name):
        return cast(Factory, point.load())(means)
    raise UsageError(f"there is no engine {name!r} ([build] engine of portage-ext.toml); there is: {', '.join(ENGINES)}")
