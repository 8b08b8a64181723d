"""Everything that building for targets needs on this host, begun with one Site::

    with workshop(Site.read(Path("/"))) as shop:
        shop.build("laptop", ("app-editors/vim",))

A program gets values: what was planned, what became of each job, and what publishing said.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from portage_ext.builds.engines import Engine, engine
from portage_ext.builds.key import Grade, Job
from portage_ext.builds.ledger import Entry, Ledger
from portage_ext.builds.means import Means, means
from portage_ext.builds.performing import Performer
from portage_ext.builds.publishing import inject, pkgdir_of
from portage_ext.errors.builds import JobError
from portage_ext.tasks import upkeep
from portage_ext.tasks.site import Site
from portage_ext.tasks.upkeep import Upkeep


@dataclass(frozen=True, slots=True)
class Plan:
    """What building would be: each job with its key and its entry in the ledger, if any; and what must be installed first."""

    jobs: tuple[tuple[Job, str, Entry | None], ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Workshop:
    """The ledger of this host, and the engine that works its queue."""

    means: Means
    engine: Engine

    @property
    def site(self) -> Site:
        return self.means.site

    @property
    def ledger(self) -> Ledger:
        return self.means.ledger

    def plan(self, target: str, atoms: tuple[str, ...]) -> Plan:
        """What building ``atoms`` for ``target`` would be. Raises PortageExtError, OSError."""
        pkgdir_of(target, self.site.settings)
        if sets := [atom for atom in atoms if "/" not in atom or atom.startswith(("@", "-"))]:
            raise JobError(target, f"{sets[0]!r} is no package with its category; sets cannot be built for a target yet")
        performer = Performer(self.means.places, self.means.targets, self.means.bounds)
        jobs, missing = performer.plan(target, atoms)
        grade = cast(Grade, self.site.settings.building.grade)
        known = {entry.key: entry for entry in self.ledger.entries()}
        return Plan(tuple((job, job.key(grade), known.get(job.key(grade))) for job in jobs), tuple(missing))

    def request(self, target: str, plan: Plan, *, priority: int = 0) -> list[Entry]:
        """The jobs of ``plan`` in the ledger; those that exist or failed for good are not queued again. Raises LedgerError."""
        return [self.ledger.request(key, target, job, priority=priority) for job, key, _ in plan.jobs]

    def work(
        self, entries: Sequence[Entry], told: Callable[[Entry], None] = lambda entry: None
    ) -> tuple[list[Entry], list[Upkeep]]:
        """Build those of ``entries`` that are queued, and publish; what became of each. Raises PortageExtError, OSError."""
        self.engine.work([entry.key for entry in entries if entry.state in ("queued", "running")], told)
        done = self.publish()
        return [self.ledger.get(entry.key) for entry in entries], done

    def build(self, target: str, atoms: tuple[str, ...]) -> list[Entry]:
        """Build and publish ``atoms`` for ``target``; nothing when something is missing. Raises PortageExtError, OSError."""
        self.engine.recover()
        plan = self.plan(target, atoms)
        return [] if plan.missing else self.work(self.request(target, plan))[0]

    def publish(self) -> list[Upkeep]:
        """Bring every checked result into its PKGDIR, to be signed, indexed and published. Raises PortageExtError, OSError."""
        entries = self.ledger.entries("checked")
        for entry in entries:
            inject(entry, self.ledger, pkgdir_of(entry.target, self.site.settings), self.site.config_root)
        done = list(upkeep.upkeep(self.site.config_root, pending=True)) if entries else []
        if all(one.ok for one in done):
            for entry in entries:
                self.ledger.publish(entry.key, entry.fence)
        return done


@contextlib.contextmanager
def workshop(site: Site) -> Iterator[Workshop]:
    """The workshop of ``site`` for the block. Raises LedgerError, UsageError."""
    with means(site) as its:
        yield Workshop(its, engine(its))
