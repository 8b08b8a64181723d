"""An index is split into blocks at points that depend on its content, so that a changed package changes only one block.

A split depends only on the CPV of the next entry. Each block is one gzip member and one zstd frame. Both formats are defined as
sequences of these (RFC 1952, 2.2; RFC 8878, 3.1), and Portage's reader accepts them.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple

import zstandard

from portage_ext.gpkg.source import FileStamp
from portage_ext.records import field, record

_MEAN: Final = 48
"""The average number of entries in a block: about 60 KB of text. With twice as many, the compressed forms would be 4 to 5 %
smaller, and 100 changes among 30,000 packages would cost twice as much."""
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


@record(frozen=False)
class Block:
    """Consecutive entries. ``gz`` and ``zst`` hold the same text; ``text_size`` is its length in bytes."""

    rows: list[Row]
    text_size: int
    gz: bytes = field(repr=False)
    zst: bytes = field(repr=False)

    def text(self) -> bytes:
        """The text of the block. Raises zstandard.ZstdError if the stored frame is damaged, which its checksum shows."""
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
    text = b"\n".join(entries) + b"\n"
    return Block(list(rows), len(text), gzip_member(text), zstd_frame(text))


def arrange(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return the rows that the index lists, sorted, and the rows that are left out because another file is the same instance.

    ``rows`` are in the order in which PKGDIR was walked. The result is sorted by CPV as text, then in that order. Of several
    files of one instance, the last one is listed, at the position of the first (binarytree._populate_local and
    PackageIndex.write in Portage).
    """
    ordered = sorted(rows, key=_CPV_OF)
    names = [row.cpv for row in ordered]
    twins = [number for number in range(1, len(names)) if names[number] == names[number - 1]]
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


@lru_cache(maxsize=1 << 17)
def _begins(cpv: str) -> bool:
    return begins(cpv.encode("utf-8", "surrogateescape"))


def begins(cpv: bytes) -> bool:
    """Whether a block begins at the first entry of a package version, given by a name that distinguishes it from others."""
    return zlib.crc32(cpv) % _MEAN == 0


def cut(rows: Sequence[Row]) -> list[list[Row]]:
    """Split sorted rows into blocks. Entries of one CPV stay together."""
    if not rows:
        return []
    starts = [0]
    for number in [number for number, row in enumerate(rows) if _begins(row.cpv)]:
        if number and rows[number].cpv != rows[number - 1].cpv:
            starts.append(number)
    return [list(rows[start:end]) for start, end in zip(starts, [*starts[1:], len(rows)], strict=True)]
