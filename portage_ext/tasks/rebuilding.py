"""Which installed packages must be built again, by what their files need and what this system has: from symbol contracts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from portage_ext.emerge.plan.installed_world import InstalledWorld
from portage_ext.errors import NoSuchPackageError
from portage_ext.host.installed import every_package, installed, vdb
from portage_ext.model.contract import Library, Need
from portage_ext.toolchain.plan import needs_of
from portage_ext.toolchain.refusal import versions_text


@dataclass(frozen=True, slots=True)
class Rebuild:
    """A package to build again, as emerge takes it (``category/name:slot``), and each need that is the reason."""

    cpv: str
    atom: str
    reasons: tuple[str, ...]


def broken() -> list[Rebuild]:
    """The installed packages with a file that the loader would not start. Raises UnknownPortageError, OSError."""
    settings, database = vdb()
    world = InstalledWorld(settings, database)
    found = []
    for cpv, atom in every_package(database):
        reasons = tuple(dict.fromkeys(_unmet(world, cpv)))
        if reasons:
            found.append(Rebuild(cpv, atom, reasons))
    return found


def users_of(atom: str, versions: str | None = None) -> list[Rebuild]:
    """The installed packages whose files need a library of the installed packages that ``atom`` matches.

    ``versions``: only those that need a symbol version of this pattern. Raises RequestError for what is no atom,
    NoSuchPackageError, UnknownPortageError, OSError.
    """
    settings, database = vdb()
    world = InstalledWorld(settings, database)
    owners = [str(cpv) for cpv in installed(database, atom)]
    if not owners:
        raise NoSuchPackageError(atom)
    libraries = {library for cpv in owners for library in _libraries(world, cpv)}
    found = []
    for cpv, name in every_package(database):
        needs = [] if cpv in owners else [one for one in world.contract(cpv).needs if one.library in libraries]
        reasons = tuple(dict.fromkeys(_words(one, versions) for one in needs if _wanted(one, versions)))
        if reasons:
            found.append(Rebuild(cpv, name, reasons))
    return found


def _libraries(world: InstalledWorld, cpv: str) -> Iterator[Library]:
    yield from world.defines(cpv)
    for _, library in world.private(cpv):
        yield library


def _unmet(world: InstalledWorld, cpv: str) -> Iterator[str]:
    for need, search in needs_of(world.contract(cpv)):
        # A wrapper may lead to the library of a dependency, so that nothing is proven.
        if not world.system.holds(need, search) and not world.privately(need, world.dependencies(cpv), ()):
            there = bool(world.system.candidates(need.library, search))
            yield versions_text(need, world.system.missing(need, search), found=there)


def _wanted(need: Need, versions: str | None) -> bool:
    return versions is None or any(fnmatchcase(one, versions) for one in need.versions)


def _words(need: Need, versions: str | None) -> str:
    named = frozenset(one for one in need.versions if versions is None or fnmatchcase(one, versions))
    return versions_text(need, named, found=True)


def command(found: Sequence[Rebuild]) -> str:
    """The emerge that builds all of ``found`` again."""
    return f"emerge --oneshot --usepkg=n {' '.join(dict.fromkeys(one.atom for one in found))}"
