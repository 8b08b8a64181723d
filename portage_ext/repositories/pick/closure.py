"""The listed packages are picked, and recursively all their dependencies that no other repository on this host has.

Whether a repository has a package does not depend on USE flags, masks or keywords. Dependencies that an earlier sync has added
to another made repository do not count either. Otherwise packages would appear and disappear with each sync.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from portage_ext.errors.repositories import RepositoryError
from portage_ext.limits import repositories as limits
from portage_ext.repositories.pick.needs import Need, needs
from portage_ext.repositories.pick.packages import Package


class World(Protocol):
    """The queries that the closure needs."""

    def has(self, cp: str) -> bool:
        """Whether the overlay has a package of that name."""

    def load(self, wanted: Iterable[str]) -> dict[str, Package]:
        """Load the packages; those that cannot be used are left out."""

    def elsewhere(self, atom: str) -> bool:
        """Whether another repository has something that matches ``atom``."""

    def matches(self, atom: str, package: Package) -> bool:
        """Whether a version of ``package`` matches ``atom``."""


@dataclass(slots=True)
class Closure:
    """``packages`` by name, and the packages that need each. ``missing`` has the atoms that no repository has, and who needs
    them."""

    packages: dict[str, Package] = field(default_factory=dict)
    needed_by: dict[str, set[str]] = field(default_factory=dict)
    missing: dict[str, set[str]] = field(default_factory=dict)


def closure(listed: Iterable[str], world: World) -> Closure:
    """Compute the closure of ``listed``. Raises RepositoryError if it has more packages than the limit."""
    found = Closure()
    elsewhere: dict[str, bool] = {}
    asked: dict[str, set[str]] = {}
    needed: dict[str, list[Need]] = {}
    unloaded = set(listed)
    tried: set[str] = set()
    while unloaded:
        loaded = world.load(unloaded)
        tried |= unloaded
        found.packages.update(loaded)
        if len(found.packages) > limits.PICKED_PACKAGES:
            raise RepositoryError(
                "the list of packages", f"it needs more than {limits.PICKED_PACKAGES} packages", "Take the whole overlay"
            )
        unloaded = set()
        for cp, package in loaded.items():
            for need in dict.fromkeys(one for metadata in package.metadata.values() for one in needs(metadata)):
                needed.setdefault(cp, []).append(need)
                if need.atom not in elsewhere:
                    elsewhere[need.atom] = world.elsewhere(need.atom)
                if not elsewhere[need.atom] and need.cp != cp:
                    asked.setdefault(need.cp, set()).add(need.atom)
        # First select packages only by name. Whether a version matches is known only after the package is loaded.
        unloaded = {cp for cp in asked if world.has(cp)} - tried
    _settle(found, set(listed), needed, elsewhere, world)
    return found


def _settle(found: Closure, listed: set[str], needed: dict[str, list[Need]], elsewhere: dict[str, bool], world: World) -> None:
    """Keep only packages that are reached from ``listed`` through matching atoms, and record what is missing."""
    loaded = found.packages
    reached: dict[str, Package] = {cp: loaded[cp] for cp in listed if cp in loaded}
    waiting = list(reached)
    while waiting:
        cp = waiting.pop()
        answered: set[int] = set()
        lacking: list[Need] = []
        for need in needed.get(cp, []):
            other = loaded.get(need.cp)
            if elsewhere[need.atom]:
                answered.add(need.choice)
            elif other is not None and world.matches(need.atom, other):
                answered.add(need.choice)
                if need.cp != cp:
                    found.needed_by.setdefault(need.cp, set()).add(cp)
                if need.cp not in reached:
                    reached[need.cp] = other
                    waiting.append(need.cp)
            else:
                lacking.append(need)
        for need in lacking:
            if not need.choice or need.choice not in answered:
                found.missing.setdefault(need.atom, set()).add(cp)
    found.packages = reached
