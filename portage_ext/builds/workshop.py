"""Programs build for targets through one Workshop, which has everything that this needs on this host::

    with workshop(Site.read(Path("/"))) as shop:
        shop.build("laptop", ("app-editors/vim",))

The methods return values: the plan, the result of each job, and the result of publishing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from portage_ext.builds.engines import Engine, engine
from portage_ext.builds.key import Grade, Job, keyed
from portage_ext.builds.ledger.entries import Entry, Share
from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.builds.means import Means, means
from portage_ext.builds.performing import Performer
from portage_ext.builds.publishing import copy, inject, pkgdir_of
from portage_ext.errors.builds import BlockedError, JobError
from portage_ext.host.buildtimes import build_seconds
from portage_ext.tasks.site import Site

if TYPE_CHECKING:
    from portage_ext.tasks.upkeep import Upkeep


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job of a plan: its key, the keys of the jobs that come first, its entry in the ledger (None: none), and its estimated
    duration in seconds (None: unknown)."""

    job: Job
    key: str
    needs: tuple[str, ...]
    entry: Entry | None
    seconds: float | None = None

    @property
    def exists(self) -> bool:
        """Whether it is published and its package exists."""
        return self.entry is not None and self.entry.state == "published" and Path(self.entry.place).exists()


@dataclass(frozen=True, slots=True)
class Plan:
    """The jobs to build in the order of emerge's list: each package comes after those that it needs to be built."""

    jobs: tuple[Wanted, ...]


@dataclass(frozen=True, slots=True)
class Workshop:
    """The ledger of this host and the engine that builds its queued jobs."""

    means: Means
    engine: Engine

    @property
    def site(self) -> Site:
        return self.means.site

    @property
    def ledger(self) -> Ledger:
        return self.means.ledger

    def plan(self, target: str, atoms: tuple[str, ...]) -> Plan:
        """Plan the build of ``atoms`` (packages or sets) for ``target``. Raises PortageExtError, OSError."""
        pkgdir_of(target, self.site.settings)
        if wrong := [atom for atom in atoms if atom.startswith("-") or ("/" not in atom and not atom.startswith("@"))]:
            raise JobError(target, f"{wrong[0]!r} is neither a package with its category nor a set")
        plan = Performer(self.means.places, self.means.targets, self.means.bounds).plan(target, atoms)
        pairs = keyed(plan, cast(Grade, self.site.settings.building.grade))
        keys = {one.job.cpv: key for key, one in pairs}
        known = {entry.key: entry for entry in self.ledger.having([key for key, _ in pairs])}
        seconds = self._seconds(target)
        return Plan(
            tuple(
                Wanted(one.job, key, tuple(keys[cpv] for cpv in one.needs), known.get(key), seconds.get(one.cp))
                for key, one in pairs
            )
        )

    def request(
        self, target: str, plan: Plan, *, priority: int = 0, clients: Mapping[str, str] = MappingProxyType({})
    ) -> list[Entry]:
        """Add the jobs of ``plan`` to the ledger and return them. Existing and permanently failed jobs are not queued again.

        ``clients`` has the client for which each job is built, by key.
        A job that was published is queued again if its package no longer exists. Raises LedgerError.
        """
        lost = [one.key for one in plan.jobs if one.entry is not None and one.entry.state == "published" and not one.exists]
        for one in plan.jobs:
            self.ledger.request(one.key, target, one.job, needs=one.needs, priority=priority, client=clients.get(one.key, ""))
            if (place := self.ledger.place(one.key, target)) and not os.path.exists(place):
                self.ledger.set_share(Share(one.key, target, "", 0))
        for key in lost:
            self.ledger.retry(key)
        return [self.ledger.get(one.key) for one in plan.jobs]

    def work(
        self, entries: Sequence[Entry] | None, told: Callable[[Entry], None] = lambda entry: None
    ) -> tuple[list[Entry], list[Upkeep]]:
        """Build the queued jobs among ``entries`` (None: all) and publish them. Returns the updated entries.

        A package that other jobs wait for is published at once, and the rest together at the end. Raises PortageExtError,
        OSError.
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
        """Move every checked result into its PKGDIR and sign, index and publish it; likewise the copies for further targets.

        Raises PortageExtError, OSError.
        """
        from portage_ext.tasks import upkeep  # a plan does not need it

        entries = self.ledger.entries("checked")
        for entry in entries:
            inject(entry, self.ledger, pkgdir_of(entry.target, self.site.settings), self.site.config_root)
        copied = self._copied()
        done = list(upkeep.upkeep(self.site.config_root, pending=True)) if entries or copied else []
        if all(one.ok for one in done):
            for entry in entries:
                self.ledger.publish(entry.key, entry.fence)
            for share in copied:
                self.ledger.set_share(share)
        return done

    def _copied(self) -> list[Share]:
        """Copy packages for the further targets that want them."""
        made = []
        for share in self.ledger.shares():
            entry = self.ledger.get(share.key)
            try:
                pkgdir = pkgdir_of(share.target, self.site.settings)
            except BlockedError:
                continue  # it had a repository when it was asked for; its packages must not hold up those of others
            made.append(copy(share, entry, self.ledger, pkgdir, self.site.config_root))
        return [one for one in made if one is not None]

    def _seconds(self, target: str) -> dict[str, float]:
        """Build times in seconds by category/name, from builds on this host, or else from the emerge.log of the environment."""
        place = self.means.targets.load(target).source.partition(":")[2]
        return build_seconds(f"{place}/var/log/emerge.log") | self.ledger.durations()


@contextlib.contextmanager
def workshop(site: Site) -> Iterator[Workshop]:
    """Open the workshop of ``site`` while the block runs. Raises LedgerError, UsageError."""
    with means(site) as its:
        yield Workshop(its, engine(its))
