"""What everybody in this room works with: where things lie, the ledger, the targets, and the bounds of a build."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext.builds.cage import Bounds
from portage_ext.builds.ledger import Ledger
from portage_ext.config.building import Building
from portage_ext.targets.store import Store
from portage_ext.tasks.site import Site

STATE: Final = "var/lib/portage-ext/builds"
LEDGER: Final = "ledger.sqlite"


@dataclass(frozen=True, slots=True)
class Places:
    """Where builds keep things: ``state`` for ledger, logs and results, ``scratch`` for what each attempt throws away."""

    state: Path
    scratch: Path
    distfiles: Path

    @property
    def ledger(self) -> Path:
        return self.state / LEDGER

    @property
    def incoming(self) -> Path:
        return self.state / "incoming"

    @property
    def layers(self) -> Path:
        return self.state / "layers"

    def log(self, key: str, fence: int) -> str:
        """The log of an attempt. Whatever engine has the job built appends to it."""
        return str(self.state / "log" / f"{key[:16]}.{fence}.log")


def places(site: Site) -> Places:
    """The places of ``site``."""
    state = site.eroot / STATE
    return Places(state, state / "scratch", state / "distfiles")


@dataclass(frozen=True, slots=True)
class Means:
    """The means of one process: the ledger is open, and closed with the block of :func:`means`."""

    site: Site
    places: Places
    ledger: Ledger
    targets: Store
    bounds: Bounds


@contextlib.contextmanager
def means(site: Site) -> Iterator[Means]:
    """The means of ``site`` for the block. Raises LedgerError."""
    where = places(site)
    ledger = Ledger(where.ledger)
    try:
        yield Means(site, where, ledger, Store(site.eroot), bounds(site.settings.building))
    finally:
        ledger.close()


def bounds(building: Building) -> Bounds:
    """What is not set: three quarters of the memory, and as much for what is written, which lies in memory and swap.

    Where several are built at once, each has its share.
    """
    most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4 // building.jobs
    memory = building.memory or most
    return Bounds(memory, building.processes, building.disk or memory, building.seconds)
