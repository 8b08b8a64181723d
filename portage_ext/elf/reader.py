"""One ELF object, read as the loader reads it: program headers, the dynamic section, and its version tables.

Section headers are ignored, so that stripped objects read the same. Every offset and count comes from the file and is
checked against it; an inconsistent object raises BrokenElfError and never causes a loop or a crash. (System V gABI, "Dynamic
Linking"; LSB Core, "Symbol Versioning".)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from portage_ext.elf.category import category_of
from portage_ext.limits import ELF_HEADERS, ELF_NAME, ELF_NAMES, ELF_RECORDS

MAGIC: Final = b"\x7fELF"
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_ET_EXEC, _ET_DYN = 2, 3
_NEEDED, _STRTAB, _SONAME, _RPATH, _STRSZ, _RUNPATH = 1, 5, 14, 15, 10, 29
_VERDEF, _VERDEFNUM, _VERNEED, _VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_FLAGS_1, _DF_1_PIE, _DF_1_NODEFLIB = 0x6FFFFFFB, 0x08000000, 0x00000800
_SHORT_NAME: Final = 128
"""Almost every name is shorter, and is found without reading more."""
_BASE, _WEAK = 1, 2
"""VER_FLG_BASE: the name of the object itself; VER_FLG_WEAK: a version whose absence the loader only mentions."""


class Bytes(Protocol):
    """The bytes of a file: a ``bytes``, a memory map, or anything else with a length and slices."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: slice, /) -> bytes: ...


class BrokenElfError(Exception):
    """The file begins like an ELF object but is broken. Callers that know the file's name handle it."""


@dataclass(frozen=True, slots=True)
class ElfObject:
    """What the loader knows of one object. ``versions`` maps each library of the version needs to its versions.

    ``search`` is RUNPATH (or RPATH) as it stands in the file, ``runpath`` says which of both. ``defines`` is empty for an
    object without version definitions: such a library satisfies every version.
    """

    category: str
    soname: str
    needed: tuple[str, ...]
    versions: Mapping[str, frozenset[str]]
    defines: frozenset[str]
    search: tuple[str, ...]
    program: bool


_EMPTY: Final[Mapping[str, frozenset[str]]] = {}


def read_object(data: Bytes) -> ElfObject | None:
    """The object in ``data``; None for what is no ELF, or of no interest to a loader (static, relocatable, core).

    Raises BrokenElfError.
    """
    head = data[0:64]
    if head[:4] != MAGIC:
        return None
    try:
        return _read(data, head)
    except (struct.error, IndexError) as error:
        raise BrokenElfError(f"it ends within its tables ({error})") from error


def _read(data: Bytes, head: bytes) -> ElfObject | None:
    wide, order = {1: False, 2: True}.get(head[4]), {1: "<", 2: ">"}.get(head[5])
    if wide is None or order is None or head[6] != 1:
        raise BrokenElfError("its class or byte order does not exist")
    kind, machine = struct.unpack_from(order + "HH", head, 16)
    if kind not in (_ET_EXEC, _ET_DYN):
        return None
    phoff = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)[0]
    flags, _, phentsize, phnum = struct.unpack_from(order + "IHHH", head, 48 if wide else 36)
    if phnum == 0:
        return None
    if phentsize != (56 if wide else 32) or phnum > ELF_HEADERS:
        raise BrokenElfError(f"{phnum} program headers of {phentsize} bytes")
    category = category_of(machine, flags, 64 if wide else 32)
    if category is None:
        return None
    loads: list[tuple[int, int, int]] = []
    dynamic: tuple[int, int] | None = None
    interpreter = False
    headers = data[phoff : phoff + phentsize * phnum]
    for fields in struct.iter_unpack(order + ("IIQQQQQQ" if wide else "IIIIIIII"), headers):
        if wide:
            tag, _, offset, address, _, size, _, _ = fields
        else:
            tag, offset, address, _, size, _, _, _ = fields
        if tag == _PT_LOAD:
            loads.append((address, offset, size))
        elif tag == _PT_DYNAMIC:
            dynamic = offset, size
        elif tag == _PT_INTERP:
            interpreter = True
    if len(headers) != phentsize * phnum:
        raise BrokenElfError("it ends within its program headers")
    if dynamic is None:
        return None
    return _Tables(data, order, wide, loads).read(category, dynamic, kind == _ET_EXEC or interpreter)


class _Tables:
    """The tables that the dynamic section points to, by address."""

    def __init__(self, data: Bytes, order: str, wide: bool, loads: list[tuple[int, int, int]]) -> None:
        self._data = data
        self._order = order
        self._wide = wide
        self._loads = loads
        self._strings = 0, 0
        """Offset and size of the names: a table of names may be as large as the file, of which next to nothing is read."""
        self._room = ELF_NAMES

    def _offset(self, address: int) -> int:
        for start, offset, size in self._loads:
            if start <= address < start + size:
                return offset + address - start
        raise BrokenElfError(f"nothing is loaded at {address:#x}")

    def _string(self, at: int) -> str:
        start, size = self._strings
        for most in (_SHORT_NAME, ELF_NAME):
            text = self._data[start + at : start + min(at + most, size)] if at < size else b""
            name, found, _ = text.partition(b"\0")
            if found:
                break
        else:
            raise BrokenElfError(f"no name at {at:#x}")
        self._room -= len(name)
        if self._room < 0:
            raise BrokenElfError(f"names of more than {ELF_NAMES} bytes")
        return name.decode("utf-8", "surrogateescape")

    def read(self, category: str, dynamic: tuple[int, int], program: bool) -> ElfObject:
        word = "QQ" if self._wide else "II"
        unit = struct.calcsize(self._order + word)
        size = min(dynamic[1], ELF_RECORDS * unit)
        raw = self._data[dynamic[0] : dynamic[0] + size // unit * unit]
        if len(raw) != size // unit * unit:
            raise BrokenElfError("it ends within its dynamic section")
        values: dict[int, int] = {}
        needed: list[int] = []
        for tag, value in struct.iter_unpack(self._order + word, raw):
            if tag == 0:
                break
            if tag == _NEEDED:
                needed.append(value)
            else:
                values[tag] = value
        if _STRTAB not in values:
            if needed:
                raise BrokenElfError("it has no names")
            return ElfObject(category, "", (), _EMPTY, frozenset(), (), program)
        start = self._offset(values[_STRTAB])
        self._strings = start, min(values.get(_STRSZ, 0), max(len(self._data) - start, 0))
        search = values.get(_RUNPATH, values.get(_RPATH))
        return ElfObject(
            category,
            self._string(values[_SONAME]) if _SONAME in values else "",
            tuple(map(self._string, needed)),
            self._needs(values) if _VERNEED in values else _EMPTY,
            frozenset(self._definitions(values)) if _VERDEF in values else frozenset(),
            tuple(filter(None, self._string(search).split(":"))) if search is not None else (),
            program or bool(values.get(_FLAGS_1, 0) & _DF_1_PIE),
        )

    def _chain(self, at: int, count: int, form: str, link: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        """``count`` records of ``form`` from ``at`` on, each with the distance to the next in its field ``link``."""
        if count > ELF_RECORDS:
            raise BrokenElfError(f"{count} version records")
        size = struct.calcsize(form)
        for _ in range(count):
            record = struct.unpack(form, self._data[at : at + size])
            yield at, record
            if record[link] == 0:
                return
            at += record[link]

    def _needs(self, values: Mapping[int, int]) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        heads = self._chain(self._offset(values[_VERNEED]), values.get(_VERNEEDNUM, 0), self._order + "HHIII", 4)
        total = 0
        for at, (_, count, file, first, _) in heads:
            versions = found.setdefault(self._string(file), set())
            total += count
            if total > ELF_RECORDS:
                raise BrokenElfError(f"more than {ELF_RECORDS} version records")
            for _, (_, flags, _, name, _) in self._chain(at + first, count, self._order + "IHHII", 4):
                if not flags & _WEAK:
                    versions.add(self._string(name))
        return {file: frozenset(versions) for file, versions in found.items()}

    def _definitions(self, values: Mapping[int, int]) -> Iterator[str]:
        heads = self._chain(self._offset(values[_VERDEF]), values.get(_VERDEFNUM, 0), self._order + "HHHHIII", 6)
        for at, (_, flags, _, count, _, first, _) in heads:
            if not flags & _BASE and count:
                # The first name is the version; those behind it are its predecessors.
                for _, (name, _) in self._chain(at + first, 1, self._order + "II", 1):
                    yield self._string(name)


def versions_hold(wanted: frozenset[str], defined: frozenset[str]) -> bool:
    """Whether the loader accepts a library that defines ``defined``; without definitions it only warns."""
    return not defined or wanted <= defined
