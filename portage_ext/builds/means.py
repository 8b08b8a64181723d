"""Everything that the modules of this room share: the directories, the ledger, the targets, and the limits of a build."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from portage_ext.builds.cages.cage import Bounds
from portage_ext.builds.places import Places
from portage_ext.config.building import Building
from portage_ext.targets.store import Store
from portage_ext.tasks.site import Site

if TYPE_CHECKING:
    from portage_ext.builds.ledger.ledger import Ledger


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
    """Open the ledger of ``site`` and give the shared objects while the block runs. Raises LedgerError, UsageError."""
    from portage_ext.builds.ledger.ledger import Ledger  # a builder has none

    if site.settings.building.confirm_for:
        from portage_ext.builds import confirming  # a question about the queue starts faster without it

        confirming.check(site.settings.building)
    where = Places.below(site.eroot)
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
