"""An index is split into blocks at points that depend on its content, so that a changed package changes only one block.

A split depends only on the CPVs of the entries near it. Each block is one gzip member and one zstd frame. Both formats are
defined as sequences of these (RFC 1952, 2.2; RFC 8878, 3.1), and Portage's reader accepts them.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

import zstandard

from portage_ext.gpkg.source import FileStamp
from portage_ext.records import field, record

if TYPE_CHECKING:
    from concurrent.futures import Executor

_NEAR: Final = 24
"""No other block begins within that many entries before and after the beginning of one. So blocks have 49 entries on average,
about 60 KB of text. With twice as many, the compressed forms would be 4 to 5 % smaller, and 100 changes among 30,000 packages
would cost twice as much."""
_MARK: Final = 7
"""The bits of a checksum that are zero where a block may begin: in one of eight entries, so that few are compared."""
GZIP_LEVEL: Final = 9
ZSTD_LEVEL: Final = 3


class Row(NamedTuple):
    """One indexed file, with the values that are needed to sort it and to detect changes.

    ``path`` is relative to PKGDIR. ``build`` holds BUILD_ID and BUILD_TIME; together with CPV, size and mtime they identify
    what Portage calls an instance. This is a tuple, because every run makes tens of thousands of them.
    """

    path: str
    size: int
    mtime_ns: int
    inode: int
    cpv: str
    build: str

    @property
    def stamp(self) -> FileStamp:
        return FileStamp(self.size, self.mtime_ns, self.inode)

    @property
    def instance(self) -> tuple[str, int, int]:
        """The key that distinguishes it from other files of the same CPV (bindbapi._instance_key in Portage)."""
        return self.build, self.size, self.mtime_ns // 1_000_000_000


Forms = tuple[bytes, bytes]
"""The text of a block as a gzip member and as a zstd frame."""


@record(frozen=False)
class Block:
    """Consecutive entries. ``text_size`` are the bytes of their text, ``sizes`` those of its compressed forms, if known."""

    rows: list[Row]
    text_size: int
    sizes: tuple[int, int] | None
    forms: Callable[[], Forms] = field(repr=False)
    """Called for the compressed forms, which most runs need of few blocks."""
    held: bytes | None = field(default=None, repr=False)
    """The text, while the forms are being made."""

    @property
    def gz_size(self) -> int:
        return self.sizes[0] if self.sizes is not None else len(self.gz)

    @property
    def zst_size(self) -> int:
        return self.sizes[1] if self.sizes is not None else len(self.zst)

    @property
    def gz(self) -> bytes:
        return self.forms()[0]

    @property
    def zst(self) -> bytes:
        return self.forms()[1]

    def text(self) -> bytes:
        """The text of the block. Raises zstandard.ZstdError if the stored frame is damaged, which its checksum shows."""
        if self.held is not None:
            return self.held
        return zstandard.ZstdDecompressor().decompress(self.zst, max_output_size=self.text_size)

    def entries(self) -> list[bytes]:
        """The text of each entry in the order of ``rows``, without the empty lines between them."""
        return [entry + b"\n" for entry in self.text().split(b"\n\n")[:-1]]


def gzip_member(data: bytes, mtime: int = 0) -> bytes:
    """Compress ``data`` to a single gzip member."""
    return gzip.compress(data, GZIP_LEVEL, mtime=mtime)


def zstd_frame(data: bytes) -> bytes:
    """Compress ``data`` to a single zstd frame with content size and checksum."""
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True).compress(data)


def make_block(rows: Sequence[Row], entries: Sequence[bytes]) -> Block:
    """Make a block of ``rows``. ``entries`` are their texts, each of which ends with one newline."""
    text = _joined(entries)
    forms = _compressed(text)
    return Block(list(rows), len(text), (len(forms[0]), len(forms[1])), partial(_held, forms))


def begin_block(rows: Sequence[Row], entries: Sequence[bytes], pool: Executor) -> Block:
    """As :func:`make_block`, but ``pool`` compresses it. Its text is there at once; its forms are waited for when needed."""
    text = _joined(entries)
    return Block(list(rows), len(text), None, pool.submit(_compressed, text).result, text)


def end_block(block: Block) -> None:
    """Wait for the forms of a block that was begun, and hold nothing else of it."""
    if block.held is not None:
        forms = block.forms()
        block.sizes, block.forms, block.held = (len(forms[0]), len(forms[1])), partial(_held, forms), None


def _joined(entries: Sequence[bytes]) -> bytes:
    return b"\n".join(entries) + b"\n"


def _compressed(text: bytes) -> Forms:
    return gzip_member(text), zstd_frame(text)


def _held(forms: Forms) -> Forms:
    return forms


def arrange(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return the rows that the index lists, sorted, and the rows that are left out because another file is the same instance.

    ``rows`` are in the order in which PKGDIR was walked. The result is sorted by CPV as text, then in that order. Of several
    files of one instance, the last one is listed, at the position of the first (binarytree._populate_local and
    PackageIndex.write in Portage).
    """
    ordered = sorted(rows, key=_CPV_OF)
    names = list(map(_CPV_OF, ordered))
    twins = [number for number, (name, other) in enumerate(pairwise(names), 1) if name == other]
    listed: list[Row] = []
    shadowed: list[Row] = []
    done = 0
    for twin in twins:
        if twin < done:
            continue
        end = twin + 1
        while end < len(names) and names[end] == names[twin]:
            end += 1
        instances: dict[tuple[str, int, int], Row] = {}
        for row in ordered[twin - 1 : end]:
            before = instances.get(row.instance)
            if before is not None:
                shadowed.append(before)
            instances[row.instance] = row
        listed += ordered[done : twin - 1]
        listed += instances.values()
        done = end
    listed += ordered[done:]
    return listed, shadowed


_CPV_OF: Final = itemgetter(Row._fields.index("cpv"))


def starts(names: Sequence[bytes]) -> list[int]:
    """Where blocks begin, as numbers of entries, given the package version of each sorted entry, or what distinguishes it.

    A block begins at an entry whose checksum is less than those of all entries near it; only entries with a certain checksum
    count. So blocks have similar sizes, and a new entry moves no split but those near it. Entries of one version stay together.
    """
    seldom = [(number, checksum) for number, checksum in enumerate(map(crc32, names)) if not checksum & _MARK]
    marked = [(number, checksum) for number, checksum in seldom if number and names[number] != names[number - 1]]
    found = [0] if names else []
    for at, one in enumerate(marked):
        before, after = range(at - 1, -1, -1), range(at + 1, len(marked))
        if _least(one, map(marked.__getitem__, before)) and _least(one, map(marked.__getitem__, after)):
            found.append(one[0])
    return found


def _least(one: tuple[int, int], others: Iterable[tuple[int, int]]) -> bool:
    """Whether ``one``, the number of an entry and its checksum, is the least of those near it; the first of equal ones is."""
    number, checksum = one
    for there, other in others:
        if abs(there - number) > _NEAR:
            return True
        if (other, there) < (checksum, number):
            return False
    return True


def cut(rows: Sequence[Row]) -> list[list[Row]]:
    """Split sorted rows into blocks. Entries of one CPV stay together."""
    # In one piece, which is quicker than one by one.
    names = "\0".join(map(_CPV_OF, rows)).encode("utf-8", "surrogateescape").split(b"\0") if rows else []
    begins = starts(names)
    return [list(rows[start:end]) for start, end in pairwise([*begins, len(rows)])]
