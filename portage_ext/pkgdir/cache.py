"""The state is a cache: if anything is wrong with it, it is deleted and made again, and nothing depends on it.

It is an SQLite file beside the index (``PKGDIR/.portage-ext.sqlite``). It has, for each block of the index, its files and its
compressed forms, and what was left out and why. Checksums protect the values against damage. The compressed forms are read when
they are needed: of most blocks they are copied from the index itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import sys
import zlib
from array import array
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, cast

from portage_ext import limits
from portage_ext.gpkg.source import FileStamp
from portage_ext.index.blocks import Block, Forms, Row
from portage_ext.records import field, record

NAME: Final = ".portage-ext.sqlite"
SCHEMA: Final = 4
_TABLES: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE block (first TEXT PRIMARY KEY, crc INTEGER NOT NULL, text_size INTEGER NOT NULL, gz_size INTEGER NOT NULL,
                    zst_size INTEGER NOT NULL, forms_crc INTEGER NOT NULL, numbers BLOB NOT NULL, names BLOB NOT NULL);
CREATE TABLE form (first TEXT PRIMARY KEY, gz BLOB NOT NULL, zst BLOB NOT NULL);
CREATE TABLE aside (path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
                    error TEXT NOT NULL, detail TEXT NOT NULL, crc INTEGER NOT NULL);
"""
_SUM: Final = "sum"
_PAGES: Final = 4_096
"""How many pages SQLite may keep in memory, so that it writes those of a few changes only once: 16 MiB. A full run must not
have all of its state in memory as well, 50 MB for 100,000 packages."""
_ROW: Final = cast(Callable[[tuple[object, ...]], Row], partial(tuple.__new__, Row))
"""``Row._make`` without the checks of a function: a run makes tens of thousands of them."""


class DamagedStateError(Exception):
    """The state cannot be used; the caller starts without it."""


@record
class Aside:
    """A file that was read and left out: the name of the error and its text."""

    stamp: FileStamp
    error: str
    detail: str


@record(frozen=False)
class State:
    """What the last run knew. ``context`` names everything but the files that the entries depend on."""

    context: str = ""
    header: dict[str, str] = field(default_factory=dict)
    timestamp: int = 0
    forms: dict[str, FileStamp] = field(default_factory=dict)
    """The files of the index as they were written, by name."""
    blocks: list[Block] = field(default_factory=list)
    aside: dict[str, Aside] = field(default_factory=dict)
    signer: str = ""
    """The key that has signed every listed package except those in ``doubted``. Without a key, all are doubted."""
    doubted: frozenset[str] = frozenset()


def _crc(*parts: bytes | str) -> int:
    value = 0
    for part in parts:
        value = zlib.crc32(part if isinstance(part, bytes) else part.encode("utf-8", "surrogateescape"), value)
    return value


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


_Record = tuple[str, int, int, int, int, int, bytes, bytes]


def _block_record(block: Block) -> _Record:
    # By column, and numbers as an array: much quicker to read than values of JSON.
    paths, sizes, times, inodes, cpvs, builds = zip(*block.rows, strict=True)
    numbers = _little(array("q", sizes + times)).tobytes() + _little(array("Q", inodes)).tobytes()
    names = "\0".join(paths + cpvs + builds).encode("utf-8", "surrogateescape")
    values = (block.text_size, block.gz_size, block.zst_size, _crc(*block.forms()))
    return block.rows[0].path, _crc(numbers, names, *map(str, values)), *values, numbers, names


def _little(numbers: array[int]) -> array[int]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _rows(numbers: bytes, names: bytes) -> list[Row]:
    count, rest = divmod(len(numbers), 24)
    text = names.decode("utf-8", "surrogateescape").split("\0")
    if rest or not count or len(text) != 3 * count:
        raise DamagedStateError("rows of a block")
    signed, inodes = array("q", numbers[: 16 * count]), array("Q", numbers[16 * count :])
    both = _little(signed).tolist()
    columns = (text[:count], both[:count], both[count:], _little(inodes).tolist(), text[count : 2 * count], text[2 * count :])
    return list(map(_ROW, zip(*columns, strict=True)))


class _Stored:
    """The compressed forms in the state file. They are read under the lock under which the state was read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None

    def forms(self, first: str, sizes: tuple[int, int], crc: int) -> Forms:
        """Those of the block whose first path is ``first``. Raises DamagedStateError."""
        try:
            if self._database is None:
                # A block is used by one thread at a time.
                self._database = sqlite3.connect(_uri(self._path, "ro"), uri=True, timeout=10, check_same_thread=False)
            found = self._database.execute("SELECT gz, zst FROM form WHERE first = ?", (first,)).fetchone()
        except sqlite3.Error as error:
            raise DamagedStateError(str(error)) from error
        if found is None or not all(isinstance(one, bytes) for one in found):
            raise DamagedStateError(f"no forms of block {first}")
        gz, zst = found
        if (len(gz), len(zst)) != sizes or _crc(gz, zst) != crc:
            raise DamagedStateError(f"forms of block {first}")
        return gz, zst


def load(pkgdir: Path, *, whole: bool = False) -> State:
    """The state of PKGDIR; ``whole``: with all compressed forms, for a caller that does not hold the lock.

    Raises DamagedStateError when there is none that can be used; writes nothing. Later, the forms of a block may raise it.
    """
    path = pkgdir / NAME
    try:
        if not 0 < path.stat().st_size <= limits.STATE_SIZE:
            raise DamagedStateError("empty or far too large")
        # Read only: --check works for users who may not write to PKGDIR.
        with contextlib.closing(sqlite3.connect(_uri(path, "ro"), uri=True, timeout=10)) as database:
            database.execute("BEGIN")
            return _read(database, _Stored(path), whole=whole)
    except (
        OSError,
        sqlite3.Error,
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        AttributeError,
        RecursionError,
    ) as error:
        raise DamagedStateError(str(error)) from error


def _uri(path: Path, mode: str) -> str:
    quoted = str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return f"file:{quoted}?mode={mode}"


def _read(database: sqlite3.Connection, stored: _Stored, *, whole: bool) -> State:
    if database.execute("PRAGMA user_version").fetchone() != (SCHEMA,):
        raise DamagedStateError("another version")
    meta, kept = {}, _Checksums()
    for key, value, crc in database.execute("SELECT key, value, crc FROM meta"):
        if _crc(key, value) != crc:
            raise DamagedStateError("checksum of meta")
        kept.meta.append((key, crc))
        meta[key] = json.loads(value)
    state = State(
        meta["context"],
        dict(meta["header"]),
        int(meta["timestamp"]),
        {name: FileStamp(*stamp) for name, stamp in meta["forms"].items()},
        # The state was written by a version without these values.
        signer=str(meta.get("signer", "")),
        doubted=frozenset(map(_bytewise, meta.get("doubted", ()))),
    )
    columns = "first, numbers, names, text_size, gz_size, zst_size, forms_crc, crc"
    for first, numbers, names, *values, crc in database.execute(f"SELECT {columns} FROM block"):
        if _crc(numbers, names, *map(str, values)) != crc:
            raise DamagedStateError(f"checksum of block {first}")
        kept.blocks.append((first, crc))
        text_size, gz_size, zst_size, forms_crc = values
        sizes = gz_size, zst_size
        forms = partial(stored.forms, first, sizes, forms_crc)
        state.blocks.append(Block(_rows(numbers, names), text_size, sizes, forms))
    if whole:
        _hold(state.blocks)
    state.blocks.sort(key=lambda block: block.rows[0].cpv)
    for file, size, mtime_ns, inode, error, detail, crc in database.execute(
        "SELECT path, size, mtime_ns, inode, error, detail, crc FROM aside"
    ):
        if _crc(file, str(size), str(mtime_ns), str(inode), error, detail) != crc:
            raise DamagedStateError(f"checksum of {file}")
        kept.aside.append((file, crc))
        state.aside[_bytewise(file)] = Aside(FileStamp(size, mtime_ns, inode % (1 << 64)), error, _bytewise(detail))
    if meta[_SUM] != kept.sum():
        raise DamagedStateError("parts of two runs")
    return state


class _Checksums:
    """The checksum of each value, by its key, first path or path. One over all shows that they are not of two runs."""

    def __init__(self, database: sqlite3.Connection | None = None) -> None:
        """Of what ``database`` holds; without one, the caller adds them."""

        def of(what: str) -> list[tuple[str, int]]:
            return [] if database is None else database.execute(f"SELECT {what}").fetchall()

        self.meta = of("key, crc FROM meta")
        self.blocks = of("first, crc FROM block")
        self.aside = of("path, crc FROM aside")

    def sum(self) -> int:
        meta = [one for one in self.meta if one[0] != _SUM]
        return _crc(*(repr(sorted(found)) for found in (meta, self.blocks, self.aside)))


def _hold(blocks: Sequence[Block]) -> None:
    """Have ``blocks`` keep their compressed forms. Raises DamagedStateError."""
    for block in blocks:
        block.forms = partial(_same, block.forms())


def _same(forms: Forms) -> Forms:
    return forms


def _storable(text: str) -> str:
    # SQLite takes no lone surrogates, which is how Python spells a file name that is not UTF-8.
    return json.dumps(text)


def _bytewise(text: str) -> str:
    return str(json.loads(text))


class Saving:
    """A new state beside the one that has the blocks ``before``; the same objects are not written again. New blocks can be
    written ahead, while the disk is busy with something else; nothing counts before :meth:`commit`. All under the index's lock.
    """

    def __init__(self, pkgdir: Path, before: Sequence[Block]) -> None:
        self._pkgdir = pkgdir
        self._before = before
        self._begun: sqlite3.Connection | None = None

    def begin(self, blocks: Sequence[Block]) -> None:
        """Write what is new of ``blocks``. No form that is still in the file can be read from here on."""
        if self._before and self._begun is None:
            with contextlib.suppress(sqlite3.Error, DamagedStateError):  # commit meets it again
                self._begun = _changed(self._pkgdir / NAME, blocks, self._before)

    def commit(self, state: State, *, mode: int, group: int | None) -> None:
        """The state is ``state``, with the blocks that were begun, if they were. A state file that cannot be used is replaced.

        Raises OSError, sqlite3.Error, DamagedStateError.
        """
        try:
            if self._before:
                if self._begun is None:
                    self._begun = _changed(self._pkgdir / NAME, state.blocks, self._before)
                _finish(self._begun, state)
                return
        except sqlite3.Error:
            # The file was damaged or removed since it was read, but perhaps not the rest of it.
            self.close()
            _hold(state.blocks)
        discard(self._pkgdir)
        path = self._pkgdir / NAME
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, mode)
            if group is not None:
                with contextlib.suppress(PermissionError):
                    os.fchown(descriptor, -1, group)
        finally:
            os.close(descriptor)
        with contextlib.closing(_opened(path)) as database:
            for statement in _TABLES.split(";"):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {SCHEMA}")
            _add(database, state.blocks)
            _finish(database, state)

    def close(self) -> None:
        """Give up what was begun and not committed."""
        if self._begun is not None:
            self._begun.close()
            self._begun = None


def discard(pkgdir: Path) -> None:
    """Remove the state of PKGDIR and what an interrupted write left of it."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        (pkgdir / f"{NAME}{suffix}").unlink(missing_ok=True)


def _opened(path: Path) -> sqlite3.Connection:
    """The state file, in a transaction.

    The disk is not waited for: a kill loses nothing by that, and after a power failure a state of which only a part was written
    is known by its checksums. Then the packages are read once more.
    """
    database = sqlite3.connect(_uri(path, "rw"), uri=True, isolation_level=None)
    try:
        database.execute("PRAGMA synchronous = OFF")
        database.execute(f"PRAGMA cache_size = {_PAGES}")
        database.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error:
        database.close()
        raise
    return database


def _changed(path: Path, blocks: Sequence[Block], before: Sequence[Block]) -> sqlite3.Connection:
    """The state file with ``blocks`` instead of those ``before``, in a transaction."""
    old, kept = {id(block) for block in before}, {id(block) for block in blocks}
    database = _opened(path)
    try:
        gone = [(block.rows[0].path,) for block in before if id(block) not in kept]
        database.executemany("DELETE FROM block WHERE first = ?", gone)
        database.executemany("DELETE FROM form WHERE first = ?", gone)
        _add(database, [block for block in blocks if id(block) not in old])
    except BaseException:  # also an interrupt must leave no lock on the file; it is raised again
        database.close()
        raise
    return database


def _add(database: sqlite3.Connection, blocks: Sequence[Block]) -> None:
    database.executemany("INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(_block_record, blocks))
    database.executemany("INSERT INTO form VALUES (?, ?, ?)", ((block.rows[0].path, *block.forms()) for block in blocks))


def _finish(database: sqlite3.Connection, state: State) -> None:
    database.execute("DELETE FROM meta")
    database.execute("DELETE FROM aside")
    meta: Mapping[str, object] = {
        "context": state.context,
        "header": state.header,
        "timestamp": state.timestamp,
        "forms": {name: [stamp.size, stamp.mtime_ns, stamp.inode] for name, stamp in state.forms.items()},
        "signer": state.signer,
        "doubted": sorted(map(_storable, state.doubted)),
    }
    database.executemany("INSERT INTO meta VALUES (?, ?, ?)", [(k, v, _crc(k, v)) for k, v in _dumped(meta)])
    database.executemany(
        "INSERT INTO aside VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (file, *numbers, one.error, detail, _crc(file, *map(str, numbers), one.error, detail))
            for path, one in state.aside.items()
            for file, detail in [(_storable(path), _storable(one.detail))]
            # SQLite has no number of 64 bits without a sign; file systems that lie over others use all bits of an inode.
            for numbers in [(one.stamp.size, one.stamp.mtime_ns, one.stamp.inode - (one.stamp.inode >> 63 << 64))]
        ],
    )
    if database.execute("SELECT count(*) FROM block").fetchone() != (len(state.blocks),):
        raise sqlite3.IntegrityError("the state is of another run")
    total = _dump(_Checksums(database).sum())
    database.execute("INSERT INTO meta VALUES (?, ?, ?)", (_SUM, total, _crc(_SUM, total)))
    database.execute("COMMIT")


def _dumped(meta: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(key, _dump(value)) for key, value in meta.items()]
