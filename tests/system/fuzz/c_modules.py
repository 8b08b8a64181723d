"""The C modules, compiled from this checkout: what each says of any bytes is what Python says of them."""

from __future__ import annotations

import hashlib
import os
import sys
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from unittest.mock import patch

from portage_ext import limits
from portage_ext.errors import PortageExtError
from portage_ext.gpkg import tar
from portage_ext.gpkg.tar import TarError
from portage_ext.pkgdir import walk
from portage_ext.pkgdir.walk import Scan, Walker
from portage_ext.releases.pool import files
from portage_ext.releases.pool.names import named_block
from tests.system.fuzz import packages
from tests.system.fuzz.judging import Target
from tests.testkit import binpkgs
from tests.testkit.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = frozenset({"SLOT", "PF"})
ALGORITHMS = ("MD5", "SHA1", "BLAKE2B", "SHA512")
USUAL = {f"metadata/{key}": value for key, value in binpkgs.metadata().items()}
RECORD = b"a/b/c-1 1 1001\na/b/c-2 2 1002\na/d-3 3 1003\n"
BLOCK = b"".join(
    b"BLAKE2B: %b\nCPV: a/b-%d\nKEYWORDS: amd64\nPATH: a/b/b-%d-1.gpkg.tar\nSIZE: %d\nMTIME: 17\n\n"
    % (b"%x" % one * 128, one, one, one)
    for one in range(3)
)
TREE = b"\n".join((b"0a/p/p-1-1.gpkg.tar", b"0a/q-1.xpak", b"2a/r.tbz2", b"3a/link.xpak", b"4a/pipe.xpak", b"1b/\xff-1.xpak"))


@cache
def module(name: str) -> ModuleType:
    return compiled(f"portage_ext.{name}")


def archives(data: bytes) -> None:
    """Members and values: None, or what tar.py says."""
    found = module("gpkg._usual").members(data, 64)
    if found is not None:
        whole = tar.members(lambda at, size: data[at : at + size], len(data), 64)
        assert found == [(one.name, one.start, one.offset, one.size) for one in whole]
    with patch.object(tar, "_compiled", lambda: None):
        pure = _or_refused(lambda: tar.read_values(data, "metadata/", KEYS))
    with patch.object(tar, "_compiled", lambda: module("gpkg._usual")):
        assert _or_refused(lambda: tar.read_values(data, "metadata/", KEYS)) == pure


def _or_refused(read: Callable[[], dict[str, bytes]]) -> dict[str, bytes] | None:
    try:
        return read()
    except TarError:
        return None


def digests(data: bytes) -> None:
    """The first byte of each piece says how long it is, up to two blocks and a bit; and one stream of them all."""
    lanes = module("model._lanes")
    pieces: list[bytes] = []
    while data and len(pieces) < 200:
        size = data[0] + (data[0] & 1) * len(data) // 8
        pieces.append(data[1 : 1 + size])
        data = data[1 + size :]
    for name in ALGORITHMS:
        expected = [hashlib.new(name.lower(), piece).digest() for piece in pieces]
        for level in range(len(lanes.LEVELS)):
            assert lanes.digests(name, pieces, level) == expected
    whole = hashlib.blake2b(b"".join(pieces)).hexdigest()
    for level in range(len(lanes.LEVELS)):
        stream = lanes.Blake2b(level)
        for piece in pieces:
            stream.update(piece)
        assert stream.hexdigest() == whole


def records(data: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="pe-fuzz-") as made:
        for number, name in enumerate(("a/b/c-1", "a/b/c-2", "a/d-3"), 1):
            file = Path(made) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"x" * number)
            os.utime(file, (0, 1000 + number))
        assert module("releases.pool._look").others(made, data) == files._others(made, data)


def names(data: bytes) -> None:
    """The names of a block in the pool, and how many names a record has."""
    look = module("releases.pool._look")
    counted = look.distinct(data)
    assert counted is None or counted == len({line.partition(b" ")[0] for line in data.split(b"\n")[:-1]})
    with patch.dict(sys.modules, {"portage_ext.releases.pool._look": None}):
        pure = _named(data)
    with patch.dict(sys.modules, {"portage_ext.releases.pool._look": look}):
        assert _named(data) == pure


def _named(data: bytes) -> object:
    try:
        block, sources = named_block(data, "x")
    except PortageExtError as error:
        return str(error)
    return bytes(block.text), block.digest, block.record, dict(sources)


def trees(data: bytes) -> None:
    """Each line is a file, a directory, a link or a pipe, by its first byte."""
    with tempfile.TemporaryDirectory(prefix="pe-fuzz-") as made:
        for line in data.split(b"\n")[:60]:
            parts = [part for part in line[1:].replace(b"\0", b"").split(b"/") if part not in (b"", b".", b"..")]
            if parts:
                with suppress(OSError):
                    _make(line[0] % 5, os.path.join(os.fsencode(made), *parts[:80]))
        with _walking(None):
            expected = Walker(Path(made)).scan()
        with _walking(module("pkgdir._tree")):
            walker = Walker(Path(made))
            assert _told(walker.scan()) == _told(expected)
            assert _told(walker.scan(moved=True)) == _told(expected)


def _make(kind: int, path: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if kind == 2:
        os.mkdir(path)
    elif kind == 3:
        os.symlink(b"..", path)
    elif kind == 4:
        os.mkfifo(path)
    else:
        with open(path, "xb") as file:
            file.write(path[:7])
    if kind != 3:
        seconds = int.from_bytes(hashlib.blake2b(path[-9:]).digest()[:5], "big") - (1 << 38)
        os.utime(path, ns=(0, seconds * 10**9))


@contextmanager
def _walking(built: ModuleType | None) -> Iterator[None]:
    with patch.object(walk, "_compiled", lambda: built):
        yield


def _told(scan: Scan) -> object:
    return scan.files, [str(error) for error in scan.unreadable]


TARGETS = (
    Target(
        "c-archives",
        lambda: [binpkgs.tar_of(USUAL, tarfile.USTAR_FORMAT), binpkgs.tar_of(packages.metadata(), tarfile.GNU_FORMAT)],
        archives,
        (TarError,),
        packages.TAR_WORDS,
        packages.checksums,
    ),
    Target("c-digests", lambda: [bytes(range(256)) * 40, b"\x40" * 900, bytes(900)], digests, ()),
    Target("c-records", lambda: [RECORD, RECORD * 40], records, (), (b"a/d-3 3 1003\n", b"../", b" 1 1", b"/")),
    Target(
        "c-names",
        lambda: [BLOCK, BLOCK + BLOCK.replace(b"/b", b"/c-d"), RECORD],
        names,
        (),
        (
            b"PATH: ",
            b"PATH:",
            b"CPV: ",
            b"BLAKE2B: ",
            b"SIZE: ",
            b"MTIME: ",
            b".gpkg.tar\n",
            b"\n\n",
            b"a/b/b-1-",
            b"-",
            b"/",
            b" 1 1\n",
        ),
    ),
    Target(
        "c-trees",
        lambda: [TREE, b"2" + b"d/" * (limits.DIRECTORY_DEPTH + 2)],
        trees,
        (),
        (b".xpak\n", b".gpkg.tar\n", b"0a/", b"2a/", b"\xff", b".xpak/", b"d/" * limits.DIRECTORY_DEPTH),
    ),
)
