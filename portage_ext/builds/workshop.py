"""Everything that building for targets needs on this host, begun with one Site::

    with workshop(Site.read(Path("/"))) as shop:
        shop.build("laptop", ("app-editors/vim",))

A program gets values: what was planned, what became of each job, and what publishing said.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from portage_ext.builds.engines import Engine, engine
from portage_ext.builds.key import Grade, Job, keyed
from portage_ext.builds.ledger import Entry, Ledger
from portage_ext.builds.means import Means, means
from portage_ext.builds.performing import Performer
from portage_ext.builds.publishing import inject, pkgdir_of
from portage_ext.errors.builds import JobError
from portage_ext.host.buildtimes import build_seconds
from portage_ext.tasks import upkeep
from portage_ext.tasks.site import Site
from portage_ext.tasks.upkeep import Upkeep


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job of a plan: its key, the keys of jobs that come first, its entry in the ledger, if any, and its seconds by past
    builds, None where they are not known."""

    job: Job
    key: str
    needs: tuple[str, ...]
    entry: Entry | None
    seconds: float | None = None

    @property
    def exists(self) -> bool:
        """Whether it is published, and its package is there."""
        return self.entry is not None and self.entry.state == "published" and Path(self.entry.place).exists()


@dataclass(frozen=True, slots=True)
class Plan:
    """What building would be, in the order of emerge's list: each package after those that it needs to be built."""

    jobs: tuple[Wanted, ...]


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
        """What building ``atoms``, packages or sets, for ``target`` would be. Raises PortageExtError, OSError."""
        pkgdir_of(target, self.site.settings)
        if wrong := [atom for atom in atoms if atom.startswith("-") or ("/" not in atom and not atom.startswith("@"))]:
            raise JobError(target, f"{wrong[0]!r} is neither a package with its category nor a set")
        plan = Performer(self.means.places, self.means.targets, self.means.bounds).plan(target, atoms)
        pairs = keyed(plan, cast(Grade, self.site.settings.building.grade))
        keys = {one.job.cpv: key for key, one in pairs}
        known = {entry.key: entry for entry in self.ledger.entries()}
        seconds = self._seconds(target)
        return Plan(
            tuple(
                Wanted(one.job, key, tuple(keys[cpv] for cpv in one.needs), known.get(key), seconds.get(one.cp))
                for key, one in pairs
            )
        )

    def request(self, target: str, plan: Plan, *, priority: int = 0) -> list[Entry]:
        """The jobs of ``plan`` in the ledger; those that exist or failed for good are not queued again. Raises LedgerError.

        One that was published and whose package is gone is built again.
        """
        lost = [one.key for one in plan.jobs if one.entry is not None and one.entry.state == "published" and not one.exists]
        for one in plan.jobs:
            self.ledger.request(one.key, target, one.job, needs=one.needs, priority=priority)
        for key in lost:
            self.ledger.retry(key)
        return [self.ledger.get(one.key) for one in plan.jobs]

    def work(
        self, entries: Sequence[Entry] | None, told: Callable[[Entry], None] = lambda entry: None
    ) -> tuple[list[Entry], list[Upkeep]]:
        """Build those of ``entries`` (None: all) that are queued, and publish; what became of each.

        What others wait for is published at once, the rest together at the end. Raises PortageExtError, OSError.
        """
        done: list[Upkeep] = []

        def ended(entry: Entry) -> None:
            told(entry)
            if entry.state == "checked" and self.ledger.is_needed(entry.key):
                done.extend(self.publish())

        waiting = None if entries is None else [entry.key for entry in entries if entry.state in ("queued", "running")]
        self.engine.work(waiting, ended)
        done.extend(self.publish())
        return [self.ledger.get(entry.key) for entry in entries or ()], done

    def build(self, target: str, atoms: tuple[str, ...]) -> list[Entry]:
        """Build and publish ``atoms`` for ``target``, and what they need. Raises PortageExtError, OSError."""
        self.engine.recover()
        return self.work(self.request(target, self.plan(target, atoms)))[0]

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

    def _seconds(self, target: str) -> dict[str, float]:
        """category/name to seconds: by builds here, else by the emerge.log of the environment."""
        place = self.means.targets.load(target).source.partition(":")[2]
        return build_seconds(f"{place}/var/log/emerge.log") | self.ledger.durations()


@contextlib.contextmanager
def workshop(site: Site) -> Iterator[Workshop]:
    """The workshop of ``site`` for the block. Raises LedgerError, UsageError."""
    with means(site) as its:
        yield Workshop(its, engine(its))
