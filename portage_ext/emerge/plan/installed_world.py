"""One root as the plan check sees it before the first step: the loader's view, and which packages own and use a library."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from portage.versions import cpv_getkey

from portage_ext.elf.places import is_library, is_public
from portage_ext.elf.system import System
from portage_ext.elf.tree import announces, read_files
from portage_ext.emerge.plan.preserved import PreservedLibraries
from portage_ext.host import contracts
from portage_ext.model.contract import ANY, Library, Need, Placed, SymbolContract
from portage_ext.toolchain.depends import KEYS, closure, declared
from portage_ext.toolchain.plan import User, needs_of
from portage_ext.toolchain.simulated import meets


class InstalledWorld:
    """The root of ``settings`` and its vdb, the ``vardbapi`` ``database``. Implements ``policy.plan.World``."""

    def __init__(self, settings: Any, database: Any) -> None:
        self.eprefix: str = settings["EPREFIX"]
        self.root = Path(settings["ROOT"])
        self.system = System(self.root, self.eprefix)
        self._database = database
        self._contracts: dict[str, SymbolContract] = {}
        self._preserved = PreservedLibraries(database)
        self._planned: dict[str, tuple[str, str]] = {}
        self._binaries: Any = None

    def judges(self, category: str) -> bool:
        return self.system.judges(category)

    def candidates(self, library: Library, search: tuple[str, ...] = ()) -> tuple[frozenset[str], ...]:
        return self.system.candidates(library, search)

    def at(self, library: Library, directory: str) -> frozenset[str] | None:
        return self.system.at(library, directory)

    def keeps(self, replaced: Collection[str], library: Library, still: Collection[str] = (), *, gone: bool = False) -> bool:
        left = still if not gone else {*still, *self._announced_by(replaced)}
        return self._preserved.keeps(replaced, library, left)

    def _announced_by(self, cpvs: Collection[str]) -> set[str]:
        """The directories that the loader knows by files of these packages alone (LDPATH of env.d, ld.so.conf.d)."""
        theirs: set[str] = set()
        for cpv in cpvs:
            for path in self._database._dblink(cpv).getcontents():
                name = path[len(str(self.root).rstrip("/")) :]
                if announces(name, self.eprefix):
                    theirs.add(name)
        everything = [f"{self.eprefix}/etc/{place}/{name}" for place in ("env.d", "ld.so.conf.d")
                      for name in self.system.names(f"{self.eprefix}/etc/{place}")]  # fmt: skip
        mine, others = (read_files(self.root, paths, eprefix=self.eprefix).public
                        for paths in (theirs, [path for path in everything if path not in theirs]))  # fmt: skip
        return mine - others

    def plan(self, packages: Iterable[Any], binaries: Any) -> None:
        """Know the dependencies of ``packages``, which a merge list has, and the ``binarytree`` that it is of."""
        self._binaries = binaries
        for one in packages:
            text = " ".join(one._metadata.get(key, "") for key in KEYS)
            self._planned[str(one.cpv)] = str(one.cp), text

    def depends(self, name: str) -> frozenset[str]:
        if name in self._planned:
            return declared(self._planned[name][1])
        return declared(" ".join(self._database.aux_get(name, KEYS))) if self._database.cpv_exists(name) else frozenset()

    def dependencies(self, name: str) -> frozenset[str]:
        return closure(self.depends(name), self._needed)

    def _needed(self, cp: str) -> Iterator[str]:
        for planned, text in self._planned.values():
            if planned == cp:
                yield from declared(text)
        for cpv in self._database.cp_list(cp):
            yield from declared(" ".join(self._database.aux_get(cpv, KEYS)))

    def leads(self, need: Need, search: Collection[str], owners: Collection[str]) -> bool:
        for cp in owners:
            known = [frozenset(self.private(cpv)) for cpv in self._database.cp_list(cp)]
            for cpv in self._binaries.dbapi.cp_list(cp) if self._binaries is not None else ():
                contract = contracts.in_index(self._binaries, cpv, self.eprefix)
                known.append(frozenset(self.placed(contract).private or ()) if contract is not None else frozenset())
            if any((place, need.library) in placed for place in search for placed in known):
                return True
        return False

    def privately(self, need: Need, owners: Collection[str], without: Collection[str]) -> bool:
        for cp in owners:
            for cpv in self._database.cp_list(cp):
                if str(cpv) not in without and any(meets(need, found) for (_, one), found in self.private(cpv).items()
                                                   if one == need.library):  # fmt: skip
                    return True
        return False

    def private(self, cpv: str) -> dict[Placed, frozenset[str]]:
        """The libraries of an installed package in private directories, read from its files."""
        found = {}
        for path, library, *_ in self.objects(cpv):
            if library[1] == posixpath.basename(path) and not is_library(library[1]):
                continue  # a plugin, which nobody is linked to
            directory = self.system.canonical(posixpath.dirname(path))
            if directory not in self.system.everybodys and not is_public(directory, self.eprefix):
                defines = self.system.at(library, directory)
                if defines is None:  # under another name than its soname, and without a link of that
                    defines = self.system.at((library[0], posixpath.basename(path)), directory)
                if defines is not None:
                    found[directory, library] = defines
        return found

    def placed(self, contract: SymbolContract) -> SymbolContract:
        """``contract`` with each directory by its one name, and with what everybody finds here among what it defines."""
        if not contract.search and not contract.private:
            return contract
        search = {category: tuple(map(self.system.canonical, places)) for category, places in contract.search.items()}
        if contract.private is None:
            return replace(contract, search=search)
        private, defines = {}, dict(contract.defines)
        for (place, library), versions in contract.private.items():
            directory = self.system.canonical(place)
            if directory not in self.system.everybodys:
                private[directory, library] = versions
            elif library[1] != ANY:
                defines[library] = defines.get(library, frozenset()) | versions
        return replace(contract, search=search, private=private, defines=defines)

    def contract(self, cpv: str) -> SymbolContract:
        """The contract of an installed package."""
        if cpv not in self._contracts:
            self._contracts[cpv] = self.placed(contracts.of_installed(self._database, cpv, self.root, self.eprefix))
        return self._contracts[cpv]

    def provides(self, cpv: str) -> frozenset[Library]:
        """The libraries that an installed package says it has, private ones included."""
        return frozenset(libraries(self._database.aux_get(cpv, ["PROVIDES"])[0]))

    def defines(self, cpv: str) -> dict[Library, frozenset[str]]:
        """What an installed package defines; asked of its contract only if it says that it provides anything."""
        return dict(self.contract(cpv).defines) if self.provides(cpv) else {}

    def objects(self, cpv: str) -> Iterator[contracts.InstalledObject]:
        """The ELF objects of an installed package, as Portage recorded them."""
        return contracts.installed_objects(self._database, cpv)

    def after(self, cpvs: Iterable[str]) -> System:
        """The loader's view when the objects of these installed packages are gone."""
        return System(self.root, self.eprefix, without=[one.path for cpv in cpvs for one in self.objects(cpv)])

    def left(self, cpvs: Iterable[str], libraries: Collection[Library]) -> dict[Library, frozenset[str]]:
        """Those of ``libraries`` that are found elsewhere when these packages are gone, and what they define there."""
        if not libraries:
            return {}
        system = self.after(cpvs)
        return {library: found[-1] for library in libraries if (found := system.candidates(library))}

    @cached_property
    def _provides(self) -> dict[Library, frozenset[str]]:
        owners: dict[Library, set[str]] = {}
        for cpv in self._database.cpv_all():
            for library in libraries(self._database.aux_get(cpv, ["PROVIDES"])[0]):
                owners.setdefault(library, set()).add(cpv_getkey(cpv))
        return {library: frozenset(names) for library, names in owners.items()}

    def owners(self, library: Library) -> frozenset[str]:
        return self._provides.get(library, frozenset())

    @cached_property
    def _requires(self) -> dict[Library, list[str]]:
        users: dict[Library, list[str]] = {}
        for cpv in self._database.cpv_all():
            for library in libraries(self._database.aux_get(cpv, ["REQUIRES"])[0]):
                users.setdefault(library, []).append(str(cpv))
        return users

    def users(self, library: Library) -> Iterator[User]:
        for cpv in self._requires.get(library, ()):
            for need, search in needs_of(self.contract(cpv)):
                if need.library == library:
                    yield User(cpv, need, search, self._ordered(cpv, need, search))

    def _ordered(self, cpv: str, need: Need, search: tuple[str, ...]) -> bool:
        """Whether only programs of ``cpv`` need the library, and each of them searches ``search`` in this order.

        A library need not search at all: what it needs may have been loaded for the program.
        """
        if len(search) < 2:
            return False
        users = [one for one in self.objects(cpv) if one.library[0] == need.category and need.soname in one.needed]
        return bool(users) and all(
            one.program and tuple(dict.fromkeys(map(self.system.canonical, one.search))) == search for one in users
        )


def libraries(text: str) -> Iterator[Library]:
    """The words of REQUIRES or PROVIDES: ``x86_64: libc.so.6 libm.so.6 x86_32: …``."""
    category = ""
    for word in text.split():
        if word.endswith(":"):
            category = word[:-1]
        elif category:
            yield category, word
