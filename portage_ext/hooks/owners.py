"""What installed packages have and need, read from the vdb without Portage: a hook runs for each package and must be fast."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import Final

from portage_ext.elf.places import is_public
from portage_ext.elf.system import System
from portage_ext.hooks.phase import Phase
from portage_ext.limits import METADATA_VALUE, NEEDED_SIZE
from portage_ext.model.contract import Library, Need
from portage_ext.toolchain.depends import KEYS, closure, declared
from portage_ext.toolchain.simulated import meets

_PF: Final = re.compile(r"(?P<pn>.+)-\d[^-]*(?:-r\d+)?")


class Owners:
    """The vdb of the root that the phase merges into."""

    def __init__(self, phase: Phase) -> None:
        self._phase = phase
        self._vdb = Path(f"{phase.root}{phase.eprefix}/var/db/pkg")

    @cached_property
    def _entries(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path in sorted(self._vdb.glob("*/*/")):
            match = _PF.fullmatch(path.name)
            if match is not None and not path.name.startswith("-MERGING-"):
                found.setdefault(f"{path.parent.name}/{match['pn']}", []).append(path)
        return found

    def of(self, library: Library) -> list[str]:
        """The installed packages (category/name) whose PROVIDES has ``library``."""
        category, soname = library
        found = []
        for cp, entries in self._entries.items():
            words = [word for entry in entries for word in _text(entry / "PROVIDES", METADATA_VALUE).split()]
            if f"{category}:" in words and soname in words:
                found.append(cp)
        return sorted(found)

    def privately(self, system: System, need: Need) -> str | None:
        """The private directory in which a dependency of the merged package has a library that may meet ``need``."""
        return self.having(system, need, self.needed_by(self._phase.build_info))

    def having(self, system: System, need: Need, owners: Collection[str], without: Collection[str] = ()) -> str | None:
        """The private directory in which a package of ``owners`` that is none of ``without`` has what may meet ``need``.

        A script with LD_LIBRARY_PATH may lead there, so the library is not proven to be missing.
        """
        for entry in (entry for cp in owners for entry in self._entries.get(cp, ())):
            if f"{entry.parent.name}/{entry.name}" in without:
                continue
            for path, library in objects(entry):
                directory = posixpath.dirname(path)
                if library != need.library or directory in system.directories or is_public(directory, self._phase.eprefix):
                    continue
                defines = system.at((library[0], posixpath.basename(path)), directory)
                if defines is not None and meets(need, defines):
                    return directory
        return None

    def needed_by(self, entry: Path) -> frozenset[str]:
        """The packages (category/name) that the package of ``entry`` needs at run time, directly or not."""
        return closure(_declared(entry), self._needed)

    def _needed(self, cp: str) -> Iterator[str]:
        for entry in self._entries.get(cp, ()):
            yield from _declared(entry)


def objects(entry: Path) -> Iterator[tuple[str, Library]]:
    """The ELF objects of a vdb entry and what they are known by (NEEDED.ELF.2: ``arch;path;soname;rpath;needed;category``)."""
    for line in _text(entry / "NEEDED.ELF.2", NEEDED_SIZE).splitlines():
        words = line.split(";")
        if len(words) > 4 and "\0" not in line:
            yield words[1], (words[5] if len(words) > 5 else "", words[2] or posixpath.basename(words[1]))


def _declared(entry: Path) -> frozenset[str]:
    return declared(" ".join(_text(entry / key, METADATA_VALUE) for key in KEYS))


def _text(path: Path, bound: int) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(bound).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
