"""One root as the plan check sees it before the first step: the loader's view, and who owns and who uses a library."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from portage.versions import cpv_getkey

from portage_ext.elf.system import System
from portage_ext.host import contracts
from portage_ext.model.contract import Library, SymbolContract
from portage_ext.toolchain.plan import User, needs_of


class InstalledWorld:
    """The root of ``settings`` and its vdb, the ``vardbapi`` ``database``. Implements ``policy.plan.World``."""

    def __init__(self, settings: Any, database: Any) -> None:
        self.eprefix: str = settings["EPREFIX"]
        self.root = Path(settings["ROOT"])
        self.system = System(self.root, self.eprefix)
        self._database = database
        self._contracts: dict[str, SymbolContract] = {}

    def judges(self, category: str) -> bool:
        return self.system.judges(category)

    def candidates(self, library: Library, search: tuple[str, ...] = ()) -> tuple[frozenset[str], ...]:
        return self.system.candidates(library, search)

    def contract(self, cpv: str) -> SymbolContract:
        """The contract of an installed package."""
        if cpv not in self._contracts:
            self._contracts[cpv] = contracts.of_installed(self._database, cpv, self.root, self.eprefix)
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
                    yield User(cpv, need, search)


def libraries(text: str) -> Iterator[Library]:
    """The words of REQUIRES or PROVIDES: ``x86_64: libc.so.6 libm.so.6 x86_32: …``."""
    category = ""
    for word in text.split():
        if word.endswith(":"):
            category = word[:-1]
        elif category:
            yield category, word
