"""A picked repository is computed as one value: all its files, and the record with the reason for each package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from portage_ext.repositories import cache, layout, tree
from portage_ext.repositories.pick import filtering
from portage_ext.repositories.pick.closure import Closure, closure
from portage_ext.repositories.pick.eclasses import Eclasses
from portage_ext.repositories.pick.overlay import RefusedError
from portage_ext.repositories.pick.packages import Package, Packages
from portage_ext.repositories.pick.profiles import Profiles
from portage_ext.repositories.record import RECORD, Item, Kind, Record, Remark
from portage_ext.repositories.swap import Contents, File


@dataclass(frozen=True, slots=True)
class Source:
    """The source of the packages: the overlay's ``name`` and ``uri``, its present and missing masters, and its layout.conf."""

    name: str
    uri: str
    masters: tuple[str, ...]
    missing_masters: tuple[str, ...]
    layout: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """The planned content of a picked repository, its current content, and the reasons."""

    contents: Contents
    before: Contents
    record: Record


@dataclass(frozen=True, slots=True)
class _World:
    packages: Packages
    elsewhere: Callable[[str], bool]

    def has(self, cp: str) -> bool:
        return self.packages.has(cp)

    def load(self, wanted: Iterable[str]) -> dict[str, Package]:
        return self.packages.load(wanted)

    def matches(self, atom: str, package: Package) -> bool:
        slots = {cpv: metadata["SLOT"] for cpv, metadata in package.metadata.items()}
        return tree.matches(atom, slots | dict.fromkeys(package.unreadable, ""))


def plan(
    listed: frozenset[str],
    source: Source,
    packages: Packages,
    profiles: Profiles,
    eclasses: Eclasses,
    elsewhere: Callable[[str], bool],
    before: Contents,
) -> Plan:
    """Plan the repository for the packages ``listed``. Raises RepositoryError, ConfinementError."""
    remarks: list[Remark] = []
    names: set[str] = set()
    for cp in sorted(listed):
        now = cp if packages.has(cp) else profiles.moved(cp)
        if now != cp and packages.has(now):
            remarks.append(Remark(Kind.MOVED, cp, f"the overlay has moved it to {now}; change the list"))
            names.add(now)
        else:
            names.add(cp)
    found = closure(names, _World(packages, elsewhere))
    contents, picked_eclasses = _packages(found, eclasses, remarks)
    metadata = [one for package in found.packages.values() for one in package.metadata.values()]
    contents |= profiles.files(filtering.picked(found.packages, metadata))
    categories = [cp.partition("/")[0] for cp in found.packages]
    thin = source.layout.get("thin-manifests", "").lower() == "true"
    contents |= layout.skeleton(source.name, source.masters, categories, thin=thin, eapi=profiles.eapi(), overlay=source.layout)
    remarks += profiles.remarks
    remarks += _told(names, found, packages, source)
    items = [Item(cp, cp in names, tuple(sorted(found.needed_by.get(cp, ())))) for cp in found.packages]
    items += [Item(f"eclass/{name}", False, tuple(sorted(users))) for name, users in picked_eclasses.items()]
    made = Record("pick", source.uri, tuple(sorted(items)), tuple(sorted(remarks)))
    contents[RECORD] = File(made.data())
    return Plan(contents, before, made)


def _packages(found: Closure, eclasses: Eclasses, remarks: list[Remark]) -> tuple[dict[str, File], dict[str, set[str]]]:
    """The files of the packages, of their eclasses and of md5-cache; and for each eclass the packages that inherit it."""
    contents: dict[str, File] = {}
    users: dict[str, set[str]] = {}
    # A kept package also gets the current eclasses of the overlay, because a repository has only one eclass of each name.
    for package in sorted(found.packages.values(), key=lambda one: (one.kept == "", one.cp)):
        contents |= package.files
        for name, file in package.eclasses.items():
            if package.kept:
                try:
                    file = eclasses.needed([name]).get(name, file)
                except RefusedError as error:
                    remarks.append(Remark(Kind.REFUSED, f"eclass/{name}", f"{error}; kept as an earlier sync took it"))
            contents[f"eclass/{name}.eclass"] = file
            users.setdefault(name, set()).add(package.cp)
    for package in found.packages.values():
        for cpv, metadata in package.metadata.items():
            digests = eclasses.digests(metadata.eclasses)
            digests |= {
                name: cache.md5(contents[path].data)
                for name in metadata.eclasses
                if (path := f"eclass/{name}.eclass") in contents
            }
            if digests == metadata.eclasses:
                contents[cache.path(cpv)] = File(cache.emit(metadata))
    return contents, users


def _told(names: set[str], found: Closure, packages: Packages, source: Source) -> Iterable[Remark]:
    for name in source.missing_masters:
        yield Remark(Kind.MISSING, name, "the overlay builds on this repository (masters), and repos.conf does not have it")
    for atom, users in found.missing.items():
        yield Remark(Kind.MISSING, atom, f"no repository here has it; needed by {', '.join(sorted(users))}")
    for package in found.packages.values():
        if package.kept:
            kind = Kind.REFUSED if package.cp in packages.refused else Kind.KEPT
            yield Remark(kind, package.cp, f"{package.kept}; kept as an earlier sync took it")
        for cpv, why in package.unreadable.items():
            yield Remark(Kind.UNREADABLE, cpv, why)
    asked = names
    for cp in sorted(packages.refused.keys() - found.packages.keys()):
        yield Remark(Kind.REFUSED, cp, packages.refused[cp])
    for cp in sorted(asked - found.packages.keys() - packages.refused.keys()):
        alike = get_close_matches(cp, packages.names(), n=1)
        hint = f" (but {alike[0]})" if alike else ""
        yield Remark(Kind.MISSING, cp, f"it is listed, and the overlay has no such package{hint}")
