"""Everything that the modules of this room share: the directories, the ledger, the targets, and the limits of a build."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext.builds.cages.cage import Bounds
from portage_ext.builds.ledger import Ledger
from portage_ext.config.building import Building
from portage_ext.targets.store import Store
from portage_ext.tasks.site import Site

STATE: Final = "var/lib/portage-ext/builds"
LEDGER: Final = "ledger.sqlite"


@dataclass(frozen=True, slots=True)
class Places:
    """The directories of builds: ``state`` has the ledger, logs and results; ``scratch`` has temporary files of attempts."""

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
        """The path of the log of an attempt, to which every engine appends."""
        return str(self.state / "log" / f"{key[:16]}.{fence}.log")


def places(site: Site) -> Places:
    """The directories for builds of ``site``."""
    state = site.eroot / STATE
    return Places(state, state / "scratch", state / "distfiles")


@dataclass(frozen=True, slots=True)
class Means:
    """The shared objects of one process. The ledger is open while the block of :func:`means` runs."""

    site: Site
    places: Places
    ledger: Ledger
    targets: Store
    bounds: Bounds


@contextlib.contextmanager
def means(site: Site) -> Iterator[Means]:
    """Open the ledger of ``site`` and give the shared objects while the block runs. Raises LedgerError."""
    where = places(site)
    ledger = Ledger(where.ledger)
    try:
        yield Means(site, where, ledger, Store(site.eroot), bounds(site.settings.building))
    finally:
        ledger.close()


def bounds(building: Building) -> Bounds:
    """The limits of a build. Defaults are three quarters of the memory, and as much for written files, which are in memory and
    swap.

    If several builds run at once, each gets an equal part.
    """
    most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4 // building.jobs
    memory = building.memory or most
    return Bounds(memory, building.processes, building.disk or memory, building.seconds)
