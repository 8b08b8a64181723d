"""An index as blocks, which go from release to release by their digest, without a look at their entries.

Two hidden files of a release say what its blocks are: ``.blocks.json`` has their sizes and digests, ``.names`` a line for each
package. What they say counts only if all bytes of the index still have these digests; otherwise the index is read entry by
entry, as if they were missing. What a block of a PKGDIR becomes in a release is kept in that PKGDIR. Its index decides what is
published, so nobody who can only write to the tree can put an entry into the next release.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from portage_ext import files, limits
from portage_ext.errors import InvalidIndexError
from portage_ext.index.forms import GZIP, ZSTD
from portage_ext.index.text import parse_index
from portage_ext.model import IndexEntry
from portage_ext.model.release import PLAIN_FORM
from portage_ext.releases.note import BLOCKS_NAME, NAMES_NAME

KEPT: Final = ".portage-ext.blocks"
"""In a PKGDIR: what its blocks were in its last release, each by its digest."""
_KEPT_FORM: Final = b"portage-ext blocks 1\n"
_DIGEST: Final = 32
_Made = TypeVar("_Made")
_PATH: Final = b"\nPATH:"
Bytes = bytes | memoryview
"""Of the 40 MB of an index of 30,000 packages, most is only hashed and written again, so it is not copied."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Consecutive entries of an index: their text and its digest, and in ``record`` a line ``NAME SIZE MTIME`` for each.

    ``gz`` and ``zst`` are the text, compressed; empty if it was not compressed yet. ``known``: the PKGDIR says that these bytes
    were made of the text.
    """

    text: Bytes
    digest: bytes
    record: bytes
    gz: bytes = b""
    zst: bytes = b""
    known: bool = False

    @property
    def identity(self) -> bytes:
        """The digests of the text and of what belongs to it."""
        return self.digest + digest(b"%d %d " % (len(self.gz), len(self.zst)), self.gz, self.zst, self.record)


class Entries(Mapping[str, bytes]):
    """The texts of the entries in blocks, by path. A block is split when one of its entries is asked for."""

    __slots__ = ("_blocks", "_split", "_where")

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = blocks
        self._where: dict[str, int] = {}
        for number, block in enumerate(blocks):
            self._where.update(dict.fromkeys(names(block.record), number))
        self._split: dict[int, dict[str, bytes]] = {}

    def __getitem__(self, path: str) -> bytes:
        number = self._where[path]
        if number not in self._split:
            self._split[number] = split(bytes(self._blocks[number].text), path)
        return self._split[number][path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, path: object) -> bool:
        return path in self._where


def names(record: bytes) -> list[str]:
    """The names of the packages in a record."""
    return [line.partition(" ")[0] for line in record.decode().split("\n")[:-1]]


def split(body: bytes, where: str) -> dict[str, bytes]:
    """The texts of the entries in ``body`` by path. Reads no more of each entry than its PATH.

    Raises InvalidIndexError, also where other readers would see another index: Portage takes the last of two paths in one
    entry, and stops reading at an empty entry.
    """
    entries: dict[str, bytes] = {}
    stripped = body.rstrip(b"\n")
    for text in stripped.split(b"\n\n") if stripped else ():
        if not text or text.startswith(b"\n"):
            raise InvalidIndexError(where, "an empty entry before other entries")
        _, found, behind = b"\n".join((b"", text, b"")).partition(_PATH)
        if _PATH in behind:
            raise InvalidIndexError(where, f"an entry has two paths ({behind[:80]!r})")
        path = behind[1 : behind.index(b"\n")].decode("utf-8", "replace") if found else ""
        if not path:
            path = f"{entry_of(text).cpv}.tbz2"  # Portage's default (binarytree._populate_local)
        if path in entries:
            raise InvalidIndexError(where, f"two entries have the path {path}")
        entries[path] = text
    return entries


def entry_of(text: bytes) -> IndexEntry:
    """The values of an entry's text."""
    found = next(parse_index(io.BytesIO(b"\n" + text.strip(b"\n") + b"\n"))[1], None)
    return found if found is not None else IndexEntry({})


def value(text: bytes, key: bytes) -> bytes:
    """The value of ``key``, such as ``b"SIZE: "``, in the text of an entry; empty if there is none."""
    at = text.find(key)
    while at > 0 and text[at - 1] != 10:
        at = text.find(key, at + 1)
    if at < 0:
        return b""
    end = text.find(b"\n", at)
    return text[at + len(key) : end if end >= 0 else len(text)]


def made(text: bytes, entries: Mapping[str, bytes]) -> Block:
    """A new block with these ``entries``, by their names in the pool."""
    lines = [
        b"%s %s %s\n" % (name.encode(), value(entry, b"SIZE: "), value(entry, b"MTIME: ")) for name, entry in entries.items()
    ]
    return Block(text, digest(text), b"".join(lines))


def digest(*parts: Bytes) -> bytes:
    """The digest by which blocks are known: 32 bytes of BLAKE2B."""
    found = hashlib.blake2b(digest_size=_DIGEST)
    for part in parts:
        found.update(part)
    return found.digest()


def digests(texts: Sequence[Bytes]) -> list[bytes]:
    """The digest of each of ``texts``."""
    return _shared(len(texts), lambda number: digest(texts[number]))


def _shared(count: int, work: Callable[[int], _Made]) -> list[_Made]:
    """What ``work`` makes of each number, by a thread on each CPU: hashlib lets go of the interpreter."""
    processors = len(os.sched_getaffinity(0))
    step = count // processors + 1
    with ThreadPoolExecutor(processors) as threads:
        parts = threads.map(lambda at: [work(one) for one in range(at, min(at + step, count))], range(0, count, step))
        return [one for part in parts for one in part]


def cut(text: Bytes, sizes: Iterable[int]) -> list[memoryview]:
    """``text`` in parts of these sizes; empty if that is not its size."""
    found: list[memoryview] = []
    view, at = memoryview(text), 0
    for size in sizes:
        found.append(view[at : at + size])
        at += size
    return found if at == len(text) and all(found) else []


# --- the files of a release


def files_of(blocks: Sequence[Block], plain: int, stamp: int) -> dict[str, bytes]:
    """The hidden files of a release whose index has ``plain`` bytes and the modification time ``stamp``."""
    rows = [[len(one.text), len(one.gz), len(one.zst), len(one.record), one.identity.hex()] for one in blocks]
    record = b"".join(one.record for one in blocks)
    return {
        BLOCKS_NAME: json.dumps(rows).encode(),
        NAMES_NAME: b"%s %d %d\n%s" % (digest(record).hex().encode(), plain, stamp, record),
    }


def of_release(directory: Path) -> tuple[bytes, tuple[Block, ...]]:
    """The header (with the empty line after it) and the blocks of the index of the release in ``directory``.

    No blocks if it does not say what they are, or if something was changed.
    """
    try:
        with (directory / BLOCKS_NAME).open("rb") as file:
            rows = json.loads(file.read(limits.MAX_NOTE_SIZE))
        sizes = [[int(row[part]) for row in rows] for part in range(4)]
        identities = [bytes.fromhex(row[4]) for row in rows]
        parts: list[list[memoryview]] = []
        head = b""
        for name, part in zip((PLAIN_FORM, GZIP, ZSTD, NAMES_NAME), sizes, strict=True):
            data = (directory / name).read_bytes()
            begin = len(data) - sum(part)
            if begin < 0 or min(part, default=0) <= 0:
                return b"", ()
            head = data[:begin] if name == PLAIN_FORM else head
            parts.append(cut(memoryview(data)[begin:], part))
    except (OSError, ValueError, TypeError, LookupError, OverflowError, RecursionError):
        return b"", ()

    def made(number: int) -> Block | None:
        text, gz, zst, record = (part[number] for part in parts)
        block = Block(text, digest(text), bytes(record), bytes(gz), bytes(zst))
        return block if block.identity == identities[number] else None

    found = [block for block in _shared(len(rows), made) if block is not None]
    return (head, tuple(found)) if len(found) == len(rows) and head.endswith(b"\n\n") else (b"", ())


def recorded(release: Path) -> set[str] | None:
    """The names of the packages in the index of a release; None if they are not recorded for the index that it has."""
    try:
        head, _, record = (release / NAMES_NAME).read_bytes().partition(b"\n")
        status = os.stat(release / PLAIN_FORM)
        said, plain, stamp = head.split(b" ")
        if (int(plain), int(stamp)) == (status.st_size, int(status.st_mtime)) and said.decode() == digest(record).hex():
            return set(names(record))
    except (OSError, ValueError):
        pass
    return None


# --- what is kept in a PKGDIR


def keep(pkgdir: Path, pairs: Iterable[tuple[bytes, Block]]) -> None:
    """Write for each block of PKGDIR, by its digest, what it is in a release. Nothing depends on it."""
    data = b"".join(one + block.identity for one, block in pairs)
    with contextlib.suppress(OSError):
        files.replace_file(pkgdir / KEPT, _KEPT_FORM + digest(data) + data, lasting=False)


def kept(pkgdir: Path) -> dict[bytes, bytes]:
    """The identities of blocks in the last release of PKGDIR, by the digest of the block in PKGDIR."""
    with contextlib.suppress(OSError), (pkgdir / KEPT).open("rb") as file:
        whole = file.read(limits.MAX_NOTE_SIZE)
        said, data = whole[len(_KEPT_FORM) :][:_DIGEST], whole[len(_KEPT_FORM) + _DIGEST :]
        if whole.startswith(_KEPT_FORM) and said == digest(data) and len(data) % (3 * _DIGEST) == 0:
            step = 3 * _DIGEST
            return {data[at : at + _DIGEST]: data[at + _DIGEST : at + step] for at in range(0, len(data), step)}
    return {}
