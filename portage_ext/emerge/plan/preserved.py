"""Which libraries Portage would preserve (FEATURES=preserve-libs), according to Portage's own map of libraries.

That map has the directories of ROOT's ld.so.conf, /lib, /usr/lib and each RUNPATH, but not all directories of the loader. A
library that the loader finds elsewhere, such as in /usr/lib64 without an LDPATH, has no users in the map and is not preserved.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable
from functools import cached_property
from typing import Any, Final

from portage.exception import CommandNotFound

from portage_ext.host import contracts
from portage_ext.host.probe import Expectation, Function, Names
from portage_ext.model.contract import Library

_MAP: Final = "portage.util._dyn_libs.LinkageMapELF:LinkageMapELF"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Names("portage.dbapi.vartree:vardbapi.__init__", ("_linkmap", "_plib_registry")),
    Function(f"{_MAP}.rebuild", ("self",)),
    Function(f"{_MAP}.findConsumers", ("self", "obj", "exclude_providers")),
    Function(f"{_MAP}._obj_key", ("self", "path")),
    Function(f"{_MAP}._path_key", ("self", "path")),
    Names(f"{_MAP}.__init__", ("_defpath",)),
)


class PreservedLibraries:
    """What ``database`` (a ``vardbapi``) would preserve. Asked only if a needed library would be removed."""

    def __init__(self, database: Any) -> None:
        self._database = database

    @cached_property
    def _map(self) -> Any:
        found = self._database._linkmap
        if found is not None:
            try:
                found.rebuild()
            except CommandNotFound:
                return None  # Portage preserves nothing without scanelf either
        return found

    def keeps(self, cpvs: Iterable[str], library: Library, still: Collection[str] = ()) -> bool:
        """Whether a copy of ``library`` stays when ``cpvs`` are removed: another package uses it and finds no other copy.

        Copies in directories that are ``still`` in use are replaced.
        """
        if self._map is None or self._database._plib_registry is None:
            return False
        going = {one.path: one.library for cpv in cpvs for one in contracts.installed_objects(self._database, cpv)}
        keys = {self._map._obj_key(path) for path in going}

        def goes(path: str) -> bool:
            return self._map._obj_key(path) in keys

        for path, name in going.items():
            directory = posixpath.dirname(path)
            if name != library or directory in still:
                continue
            try:
                users = self._map.findConsumers(path, exclude_providers=(goes,))
            except KeyError:
                continue
            # Packages of the same run are not in the map yet: they will find libraries in the public directories.
            if any(not goes(user) for user in users) or (not users and self._map._path_key(directory) in self._everybodys):
                return True
        return False

    @cached_property
    def _everybodys(self) -> frozenset[Any]:
        return frozenset(map(self._map._path_key, self._map._defpath))
