"""The state is a cache: if anything is wrong with it, it is deleted and made again, and nothing depends on it.

It is an SQLite file beside the index (``PKGDIR/.portage-ext.sqlite``). It has, for each block of the index, its files and its
compressed forms, and what was left out and why. Checksums protect the values against damage.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.gpkg.source import FileStamp
from portage_ext.index.blocks import Block, Row
from portage_ext.records import field, record

NAME: Final = ".portage-ext.sqlite"
SCHEMA: Final = 2
_TABLES: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE block (first TEXT PRIMARY KEY, rows TEXT NOT NULL, text_size INTEGER NOT NULL,
                    gz BLOB NOT NULL, zst BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE aside (path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
                    error TEXT NOT NULL, detail TEXT NOT NULL, crc INTEGER NOT NULL);
"""


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


def _block_record(block: Block) -> tuple[str, str, int, bytes, bytes, int]:
    rows = _dump(list(zip(*block.rows, strict=True)))  # by column: one list each is quicker to read than one a package
    return block.rows[0].path, rows, block.text_size, block.gz, block.zst, _crc(rows, str(block.text_size), block.gz, block.zst)


def load(pkgdir: Path) -> State:
    """The state of PKGDIR. Raises DamagedStateError when there is none that can be used; writes nothing."""
    path = pkgdir / NAME
    try:
        if not 0 < path.stat().st_size <= limits.STATE_SIZE:
            raise DamagedStateError("empty or far too large")
        # Read only: --check works for users who may not write to PKGDIR.
        with contextlib.closing(sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True, timeout=10)) as database:
            return _read(database)
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


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _read(database: sqlite3.Connection) -> State:
    if database.execute("PRAGMA user_version").fetchone() != (SCHEMA,):
        raise DamagedStateError("another version")
    meta = {}
    for key, value, crc in database.execute("SELECT key, value, crc FROM meta"):
        if _crc(key, value) != crc:
            raise DamagedStateError("checksum of meta")
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
    for first, rows, text_size, gz, zst, crc in database.execute("SELECT first, rows, text_size, gz, zst, crc FROM block"):
        if _crc(rows, str(text_size), gz, zst) != crc:
            raise DamagedStateError(f"checksum of block {first}")
        state.blocks.append(Block(list(map(Row._make, zip(*json.loads(rows), strict=True))), text_size, gz, zst))
    state.blocks.sort(key=lambda block: block.rows[0].cpv)
    for file, size, mtime_ns, inode, error, detail, crc in database.execute(
        "SELECT path, size, mtime_ns, inode, error, detail, crc FROM aside"
    ):
        if _crc(file, str(size), str(mtime_ns), str(inode), error, detail) != crc:
            raise DamagedStateError(f"checksum of {file}")
        state.aside[_bytewise(file)] = Aside(FileStamp(size, mtime_ns, inode), error, _bytewise(detail))
    return state


def _storable(text: str) -> str:
    # SQLite takes no lone surrogates, which is how Python spells a file name that is not UTF-8.
    return json.dumps(text)


def _bytewise(text: str) -> str:
    return str(json.loads(text))


def save(pkgdir: Path, state: State, before: Sequence[Block], *, mode: int, group: int | None) -> None:
    """Write ``state``; blocks that are the same objects as in ``before`` are already there. Call it under the index's lock.

    A state file that cannot be used is replaced. Raises OSError, sqlite3.Error.
    """
    path = pkgdir / NAME
    old = {id(block) for block in before}
    try:
        if before:
            _update(path, state, [block for block in state.blocks if id(block) not in old], before)
            return
    except sqlite3.Error:
        # The file was damaged or removed since it was read. The state in memory is complete.
        discard(pkgdir)
    discard(pkgdir)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, mode)
        if group is not None:
            with contextlib.suppress(PermissionError):
                os.fchown(descriptor, -1, group)
    finally:
        os.close(descriptor)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        for statement in _TABLES.split(";"):
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {SCHEMA}")
        _store(database, state, state.blocks)
        database.execute("COMMIT")


def discard(pkgdir: Path) -> None:
    """Remove the state of PKGDIR and what an interrupted write left of it."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        (pkgdir / f"{NAME}{suffix}").unlink(missing_ok=True)


def _update(path: Path, state: State, new: Sequence[Block], before: Sequence[Block]) -> None:
    kept = {id(block) for block in state.blocks}
    with contextlib.closing(sqlite3.connect(f"file:{_quoted(path)}?mode=rw", uri=True, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        gone = [(block.rows[0].path,) for block in before if id(block) not in kept]
        database.executemany("DELETE FROM block WHERE first = ?", gone)
        database.execute("DELETE FROM meta")
        database.execute("DELETE FROM aside")
        _store(database, state, new)
        if database.execute("SELECT count(*) FROM block").fetchone() != (len(state.blocks),):
            raise sqlite3.IntegrityError("the state is of another run")
        database.execute("COMMIT")


def _store(database: sqlite3.Connection, state: State, blocks: Sequence[Block]) -> None:
    meta: Mapping[str, object] = {
        "context": state.context,
        "header": state.header,
        "timestamp": state.timestamp,
        "forms": {name: [stamp.size, stamp.mtime_ns, stamp.inode] for name, stamp in state.forms.items()},
        "signer": state.signer,
        "doubted": sorted(map(_storable, state.doubted)),
    }
    database.executemany("INSERT INTO meta VALUES (?, ?, ?)", [(k, v, _crc(k, v)) for k, v in _dumped(meta)])
    database.executemany("INSERT INTO block VALUES (?, ?, ?, ?, ?, ?)", map(_block_record, blocks))
    database.executemany(
        "INSERT INTO aside VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (file, *numbers, one.error, detail, _crc(file, *map(str, numbers), one.error, detail))
            for path, one in state.aside.items()
            for file, detail in [(_storable(path), _storable(one.detail))]
            for numbers in [(one.stamp.size, one.stamp.mtime_ns, one.stamp.inode)]
        ],
    )


def _dumped(meta: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(key, _dump(value)) for key, value in meta.items()]
