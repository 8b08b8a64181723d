"""Two packages agree if they install the same files with the same metadata; when and where they were built does not count.

This is the only definition of "the same build" for builds that builders confirm, and for a package that is built again to see
whether it is reproducible. The bytes of the archives, their compression, the order of members and all times are ignored. Of the
image, everything else counts: paths, types, modes, owners, contents, link targets, devices, and extended attributes. Of the
metadata, every value counts except those in ``IGNORED``. Unknown values count, too. The saved environment counts line by line,
because a client runs its functions; only digits and digests in the two lines of ``_OF_THE_HOST`` may differ.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final, Literal

from portage_ext import limits
from portage_ext.errors import DecompressionError, InvalidContractError
from portage_ext.gpkg.compression import BadStreamError, decompress
from portage_ext.gpkg.container import check_members, read_container, read_metadata
from portage_ext.gpkg.contract import computed_contract
from portage_ext.gpkg.image import Content, Member, gpkg_image, xpak_image
from portage_ext.gpkg.source import Source, open_package
from portage_ext.gpkg.xpak import read_xpak
from portage_ext.model import GPKG_SUFFIX
from portage_ext.model.contract import KEY as CONTRACT
from portage_ext.model.contract import SymbolContract
from portage_ext.model.provenance import KEY as PROVENANCE

Kind = Literal["file", "metadata", "contract"]
IGNORED: Final = frozenset(("BINPKGMD5", "BUILD_HOST", "BUILD_ID", "BUILD_TIME", "REPO_REVISIONS"))
"""Metadata of one build and not of its result: a counter, the time, the host, and the commits of the repositories, which are
provenance."""
_UNORDERED: Final = frozenset(("NEEDED", "NEEDED.ELF.2"))
"""Lists of files. Their order is that of the directories of the build host."""
_ENVIRONMENT: Final = "environment.bz2"
_OF_THE_HOST: Final = (
    (re.compile(rb'^declare -x PORTAGE_COMPRESSION_COMMAND="[^"\\$`]*"$'), re.compile(rb"[0-9]+")),
    (re.compile(rb'^declare -x PORTAGE_REPO_REVISIONS="[^$`]*"$'), re.compile(rb"\b[0-9a-f]{40}(?:[0-9a-f]{24})?\b")),
)
"""Lines of the environment that depend on the host (number of processors, commits of repositories), and what may differ in
them. Only this is masked, and the rest of the line is compared, so no code can hide there."""
_TIMES: Final = frozenset(("atime", "ctime", "mtime", "path", "linkpath", "size", "uid", "gid", "uname", "gname"))
"""Extended headers that are times, or that are compared as a field of the member."""
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference in the file or metadata value ``name``. ``first`` and ``second`` describe it in each package; empty if it is
    missing there."""

    kind: Kind
    name: str
    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.first or 'missing'} / {self.second or 'missing'}"


def differences(first: Path, second: Path) -> tuple[Difference, ...]:
    """The differences between two packages, sorted; empty if they agree. Their signatures are not compared.

    Raises PackageError if a package cannot be read, or does not match its own digests.
    """
    one, other = _read(first), _read(second)
    found = [*_compared("file", one.files, other.files), *_compared("metadata", one.values, other.values)]
    found += _contracts(first, one.contract, second, other.contract)
    return tuple(sorted(found, key=lambda each: (each.kind, each.name)))


@dataclass(frozen=True, slots=True)
class _Package:
    files: Mapping[str, str]
    values: Mapping[str, str]
    contract: str


def _read(path: Path) -> _Package:
    fd = open_package(path)
    try:
        source = Source(fd, str(path))
        if path.name.endswith(GPKG_SUFFIX):
            container = read_container(source)
            check_members(source, container, image=True)
            values = read_metadata(source, container)
            image = gpkg_image(source, container)
        else:
            values, image = read_xpak(source), xpak_image(source)
        contract = values.pop(CONTRACT, b"").decode("utf-8", "replace").strip()
        return _Package(_files(image), dict(_values(str(path), values)), contract)
    finally:
        os.close(fd)


def _compared(kind: Kind, first: Mapping[str, str], second: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted(first.keys() | second.keys()):
        one, other = first.get(name, ""), second.get(name, "")
        if one != other:
            yield Difference(kind, name, *_parts(one, other))


def _parts(first: str, second: str) -> tuple[str, str]:
    """The parts in which two texts differ, shortened. The texts must differ."""
    if "\n" in first or "\n" in second:
        ones, others = first.split("\n"), second.split("\n")
        # Lines that only one of them has. If there are none, only the order of lines differs.
        lines, more = set(others), set(ones)
        left = [line for line in ones if line not in lines]
        right = [line for line in others if line not in more]
        first, second = (" ".join(left), " ".join(right)) if left or right else ("in one order", "in another order")
    if len(first) > _SHOWN or len(second) > _SHOWN:
        same = next((at for at, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]), 0)
        begin = max(0, same - _SHOWN // 4)
        first, second = (("…" if begin else "") + text[begin : begin + _SHOWN] for text in (first, second))
    return first, second


# --- the image


def _files(image: Iterable[Member]) -> dict[str, str]:
    """A description of each path. A path that occurs several times has all descriptions, because each has an effect."""
    found: dict[str, list[str]] = {}
    linked: dict[str, set[str]] = {}
    leader: dict[str, str] = {}
    for name, member, content in image:
        if member.islnk() and member.linkname in leader:
            # Which of several linked files has the content depends on the order of the archive.
            first = leader[name] = leader[member.linkname]
            linked[first].add(name)
            continue
        if content is not None:
            leader[name] = name
            linked[name] = {name}
        found.setdefault(name, []).append(_described(member, content))
    described = {name: ", then ".join(texts) for name, texts in found.items()}
    for first, names in linked.items():
        if len(names) > 1:
            text = f"{described[first]}, linked as {' '.join(sorted(names))}"
            described |= dict.fromkeys(names, text)
    return described


def _described(member: tarfile.TarInfo, content: Content | None) -> str:
    mode = stat.S_IMODE(member.mode)
    owner = f"{mode:04o} {member.uname}({member.uid}):{member.gname}({member.gid})"
    more = "".join(f" {key}={value!r}" for key, value in sorted(member.pax_headers.items()) if key not in _TIMES)
    if content is not None:
        return f"file {owner} {member.size} bytes blake2b {_digest(content)}{more}"
    if member.isdir():
        return f"directory {owner}{more}"
    if member.issym():
        return f"link to {member.linkname}{more}"
    if member.islnk():
        return f"hard link to {member.linkname}"
    if member.ischr() or member.isblk():
        return f"device {owner} {member.type!r} {member.devmajor}:{member.devminor}{more}"
    return f"type {member.type!r} {owner}{more}"


def _digest(content: Content) -> str:
    hasher = blake2b(digest_size=32)
    while block := content.read(limits.READ_BLOCK):
        hasher.update(block)
    return hasher.hexdigest()


# --- the metadata


def _values(name: str, values: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if key in IGNORED:
            continue
        if key == _ENVIRONMENT:
            try:
                value = b"\n".join(_masked(line) for line in bytes(decompress(value, "bzip2")).split(b"\n"))
            except BadStreamError as error:
                raise DecompressionError(name, f"{key}: {error}") from error
        elif key == PROVENANCE:
            value = _without_origin(value)
        elif key in _UNORDERED:
            value = b"\n".join(sorted(value.split(b"\n")))
        yield key, value.decode("utf-8", "backslashreplace").rstrip("\n")


def _without_origin(record: bytes) -> bytes:
    """A record of provenance without the commit of the repository and the job, which do not decide what is built."""
    try:
        found = json.loads(record)
    except (ValueError, RecursionError):
        return record
    if not isinstance(found, dict):
        return record
    return json.dumps({key: value for key, value in found.items() if key not in ("commit", "job")}, sort_keys=True).encode()


def _masked(line: bytes) -> bytes:
    for whole, part in _OF_THE_HOST:
        if whole.match(line):
            return part.sub(b"*", line)
    return line


# --- the contract


def _contracts(first: Path, one: str, second: Path, other: str) -> Iterator[Difference]:
    """A contract that only one of them has is compared with that of the image of the other."""
    if one == other:
        return
    try:
        left = SymbolContract.parse(one) if one else computed_contract(first)
        right = SymbolContract.parse(other) if other else computed_contract(second)
    except InvalidContractError:
        yield Difference("contract", CONTRACT, *_parts(one, other))
        return
    if not left.same_as(right):
        yield Difference("contract", CONTRACT, *_parts(str(left), str(right)))
