"""An index as blocks, which go from release to release by their digest, without a look at their entries.

Two hidden files of a release say what its blocks are: ``.blocks.json`` has their sizes and digests, ``.names`` a line for each
package. What they say counts only if all bytes of the index still have these digests; otherwise the index is read entry by
entry, as if they were missing. What a block of a PKGDIR becomes in a release is kept in that PKGDIR (pool/kept).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate, chain, repeat
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.errors import InvalidIndexError
from portage_ext.index.entry import entry_of
from portage_ext.index.forms import GZIP, ZSTD
from portage_ext.model.digest import blake2b, many
from portage_ext.model.release import PLAIN_FORM
from portage_ext.records import field, record, replace
from portage_ext.releases.note import BLOCKS_NAME, NAMES_NAME

_DIGEST: Final = 32
_AT_ONCE_FROM: Final = 16
"""Blocks for which threads are worth their start."""
_PATH: Final = b"\nPATH:"
Bytes = bytes | memoryview
"""Of the 40 MB of an index of 30,000 packages, most is only hashed and written again, so it is not copied."""


@record(eq=False)
class Read:
    """What was read of a release: each form of its index in one piece, and where each block begins in it, and the last ends."""

    forms: Mapping[str, memoryview]
    begins: Mapping[str, Sequence[int]]

    def part(self, name: str, first: int, behind: int) -> memoryview:
        """The blocks from number ``first`` to that before ``behind``, in the form ``name``."""
        begins = self.begins[name]
        return self.forms[name][begins[first] : begins[behind]]


Place = tuple[Read, int]
"""What was read of a release, and the number of a block in it."""


@record(eq=False)
class Block:
    """Consecutive entries of an index: their text and its digest, and in ``record`` a line ``NAME SIZE MTIME`` for each.

    ``gz`` and ``zst`` are the text, compressed; empty if it was not compressed yet. ``known``: this host says that these bytes
    were made of the text. ``place`` is where exactly these bytes were read.
    """

    text: Bytes
    digest: bytes
    record: bytes
    gz: Bytes = b""
    zst: Bytes = b""
    known: bool = False
    place: Place | None = None
    _rest: list[bytes] = field(default_factory=list, repr=False, init=False)
    _count: list[int] = field(default_factory=list, repr=False, init=False)

    @property
    def count(self) -> int:
        """How many packages it has."""
        if not self._count:
            self._count.append(self.record.count(b"\n"))
        return self._count[0]

    @property
    def identity(self) -> bytes:
        """The digests of the text and of what belongs to it."""
        if not self._rest:
            self._rest.append(digest(b"".join(digests([self.gz, self.zst, self.record]))))
        return self.digest + self._rest[0]

    def form(self, name: str) -> Bytes:
        """The block in the form ``name``."""
        return self.gz if name == GZIP else self.zst if name == ZSTD else self.text

    def as_known(self) -> Block:
        """The same block, ``known``."""
        made = replace(self, known=True)
        made._rest.extend(self._rest)
        made._count.extend(self._count)
        return made


class Entries(Mapping[str, bytes]):
    """The texts of the entries in blocks, by path. A block is split when one of its entries is asked for."""

    __slots__ = ("_blocks", "_known", "_places", "compared")

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = blocks
        self.compared: tuple[object, tuple[Mapping[str, bytes], Mapping[str, bytes]]] | None = None
        """The last comparison of an index with these entries, and with what (contents.apart)."""
        self._places: dict[str, int] = {}
        self._known: dict[str, bytes] = {}

    @property
    def _where(self) -> Mapping[str, int]:
        """The number of the block of each path."""
        if not self._places:
            counts = (repeat(number, block.count) for number, block in enumerate(self._blocks))
            self._places.update(zip(self.names(), chain.from_iterable(counts), strict=True))
        return self._places

    def names(self) -> list[str]:
        """The paths in order."""
        return names(b"".join(block.record for block in self._blocks))

    def learn(self, texts: Mapping[str, bytes]) -> None:
        """Texts of entries that are in the blocks, and need not be looked for there."""
        self._known.update(texts)

    def whole(self) -> Mapping[str, bytes]:
        """All of them in order; each block is split once. Raises InvalidIndexError."""
        for block in self._blocks:
            self._known.update(split(bytes(block.text), NAMES_NAME))
        return {path: self[path] for path in self}

    def __getitem__(self, path: str) -> bytes:
        text = self._known.get(path)
        if text is None:
            text = split(bytes(self._blocks[self._where[path]].text), path).get(path)
            if text is None:
                raise InvalidIndexError(path, f"{NAMES_NAME} names it, and the index beside it does not")
            self._known[path] = text
        return text

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(names(block.record) for block in self._blocks)

    def __len__(self) -> int:
        return sum(block.count for block in self._blocks)

    def __contains__(self, path: object) -> bool:
        return path in self._known or path in self._where


def names(record: bytes) -> list[str]:
    """The names of the packages in a record."""
    text = record.decode()
    parts = text.replace("\n", " ").split(" ")
    if len(parts) == 3 * text.count("\n") + 1:
        return parts[:-1:3]
    return [line.partition(" ")[0] for line in text.split("\n")[:-1]]


def distinct(record: bytes) -> int:
    """How many different names a record has."""
    try:
        from portage_ext.releases.pool._look import distinct as counted
    except ImportError:
        counted = _uncounted
    found = counted(record)
    return len(set(names(record))) if found is None else found


def _uncounted(record: bytes) -> int | None:
    return None


def categories(blocks: Iterable[Block]) -> set[str]:
    """The categories of the packages in ``blocks``."""
    found: set[str] = set()
    for block in blocks:
        first = block.record.partition(b"/")[0]
        # Nearly always, all packages of a block are of one category.
        if block.record.startswith(first + b"/") and block.record.count(b"\n%s/" % first) + 1 == block.count:
            found.add(first.decode())
        else:
            found |= {name.partition("/")[0] for name in names(block.record)}
    return found


def split(body: bytes, where: str) -> dict[str, bytes]:
    """The texts of the entries in ``body`` by path. Reads no more of each entry than its PATH.

    Raises InvalidIndexError, also where other readers would see another index: Portage takes the last of two paths in one
    entry, and stops reading at an empty entry.
    """
    entries: dict[str, bytes] = {}
    for text in texts(body):
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


def texts(body: Bytes) -> list[bytes]:
    """The texts of the entries in ``body``, without a look at them."""
    stripped = bytes(body).rstrip(b"\n")
    return stripped.split(b"\n\n") if stripped else []


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


def digest(data: Bytes) -> bytes:
    """The digest by which blocks are known: the first 32 bytes of BLAKE2B."""
    made = blake2b()
    made.update(data)
    return bytes.fromhex(made.hexdigest())[:_DIGEST]


def digests(parts: Sequence[Bytes]) -> list[bytes]:
    """The digest of each of ``parts``, side by side and by a thread on each CPU where they are many (ADR 0306)."""
    if len(parts) < _AT_ONCE_FROM:
        return [digest(part) for part in parts]
    processors = len(os.sched_getaffinity(0))
    shares = [parts[number::processors] for number in range(processors)]
    found = [b""] * len(parts)
    with ThreadPoolExecutor(processors) as threads:
        for number, values in enumerate(threads.map(partial(many, "BLAKE2B"), shares)):
            found[number::processors] = [bytes.fromhex(value[: 2 * _DIGEST]) for value in values]
    return found


def identified(blocks: Sequence[Block]) -> None:
    """Work out the identity of all of ``blocks`` at once."""
    todo = [block for block in blocks if not block._rest]
    three = digests([part for block in todo for part in (block.gz, block.zst, block.record)])
    for number, block in enumerate(todo):
        block._rest.append(digest(b"".join(three[3 * number : 3 * number + 3])))


def cut(text: Bytes, sizes: Iterable[int]) -> list[memoryview]:
    """``text`` in parts of these sizes; empty if that is not its size."""
    found: list[memoryview] = []
    view, at = memoryview(text), 0
    for size in sizes:
        found.append(view[at : at + size])
        at += size
    return found if at == len(text) and all(found) else []


def joined(blocks: Sequence[Block], name: str) -> Iterator[Bytes]:
    """The bytes of ``blocks`` in the form ``name``, in order; those that were read side by side are one piece."""
    first = 0
    while first < len(blocks):
        place, behind = blocks[first].place, first + 1
        if place is None:
            yield blocks[first].form(name)
        else:
            read, number = place
            while behind < len(blocks) and blocks[behind].place == (read, number + behind - first):
                behind += 1
            yield read.part(name, number, number + behind - first)
        first = behind


# --- the files of a release


def files_of(blocks: Sequence[Block], plain: int, stamp: int) -> dict[str, bytes]:
    """The hidden files of a release whose index has ``plain`` bytes and the modification time ``stamp``."""
    identified(blocks)
    rows = [[len(one.text), len(one.gz), len(one.zst), len(one.record), one.identity.hex()] for one in blocks]
    record = b"".join(one.record for one in blocks)
    return {
        BLOCKS_NAME: json.dumps(rows).encode(),
        NAMES_NAME: b"%s %d %d\n%s" % (digest(record).hex().encode(), plain, stamp, record),
    }


_DAMAGE: Final = (OSError, ValueError, TypeError, LookupError, OverflowError, RecursionError)


@record(eq=False)
class Found:
    """The index of a release: its header (with the empty line after it), and its blocks, none if it does not say what they are,
    or if something was changed. ``whole``: all of it was read there.
    """

    head: bytes = b""
    blocks: tuple[Block, ...] = ()
    whole: bool = False


def of_release(directory: Path) -> Found:
    """The index of the release in ``directory``, after a look at all of it."""
    try:
        sizes, identities = _rows(directory)
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:  # for the kernel to copy 50 MB
            data = list(threads.map(lambda name: (directory / name).read_bytes(), _FILES))
        begins = [len(one) - sum(part) for one, part in zip(data, sizes, strict=True)]
        if min(begins) < 0:
            return Found()
        head, bodies = data[0][: begins[0]], [memoryview(one)[begin:] for one, begin in zip(data, begins, strict=True)]
        parts = [cut(body, part) for body, part in zip(bodies, sizes, strict=True)]
    except _DAMAGE:
        return Found()
    forms = _FILES[:3]
    begun = {name: list(accumulate(part, initial=0)) for name, part in zip(forms, sizes, strict=False)}
    read = Read(dict(zip(forms, bodies, strict=False)), begun)
    found = tuple(
        Block(text, of, bytes(record), gz, zst, place=(read, number))
        for number, (of, text, gz, zst, record) in enumerate(zip(digests(parts[0]), *parts, strict=True))
    )
    identified(found)
    if [block.identity for block in found] != identities or not head.endswith(b"\n\n"):
        return Found()
    return Found(head, found, whole=True)


def compared(directory: Path, others: Iterable[Block]) -> Found:
    """The same, for a comparison with the blocks ``others``: a block that is among them is not read, but taken from there.

    So it may be damaged in ``directory``. None of its blocks has compressed forms from there.
    """
    there = {block.digest: block for block in others}
    found: list[Block] = []
    read: list[Block] = []
    try:
        sizes, identities = _rows(directory)
        said, _, record = (directory / NAMES_NAME).read_bytes().partition(b"\n")
        records = cut(record, sizes[3])
        if said.partition(b" ")[0].decode() != digest(record).hex():
            return Found()
        with open(directory / PLAIN_FORM, "rb", buffering=0) as file:
            at = os.fstat(file.fileno()).st_size - sum(sizes[0])
            head = os.pread(file.fileno(), max(at, 0), 0)
            for size, identity, lines in zip(sizes[0], identities, records, strict=True):
                block = there.get(identity[:_DIGEST])
                if block is None:
                    block = Block(os.pread(file.fileno(), size, at), identity[:_DIGEST], bytes(lines))
                    read.append(block)
                found.append(block)
                at += size
    except _DAMAGE:
        return Found()
    if digests([block.text for block in read]) != [block.digest for block in read] or not head.endswith(b"\n\n"):
        return Found()
    return Found(head, tuple(found))


_FILES: Final = (PLAIN_FORM, GZIP, ZSTD, NAMES_NAME)


def _rows(directory: Path) -> tuple[list[list[int]], list[bytes]]:
    """For each of _FILES, the bytes of each block in it, and the identity of each block. Raises _DAMAGE."""
    with (directory / BLOCKS_NAME).open("rb") as file:
        rows = json.loads(file.read(limits.MAX_NOTE_SIZE))
    sizes = [[int(row[part]) for row in rows] for part in range(4)]
    identities = [bytes.fromhex(row[4]) for row in rows]
    if not rows or min(map(min, sizes)) <= 0 or {len(one) for one in identities} != {2 * _DIGEST}:
        raise ValueError("no blocks")
    return sizes, identities


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
