"""An index is split into blocks at points that depend on its content, so that a changed package changes only one block.

A split depends only on the CPV of the next entry. Each block is one gzip member and one zstd frame. Both formats are defined as
sequences of these (RFC 1952, 2.2; RFC 8878, 3.1), and Portage's reader accepts them.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple

import zstandard

from portage_ext.gpkg.source import FileStamp

_MEAN: Final = 96
"""Entries in a block, on average: about 100 KB of text, three times the window of gzip."""
GZIP_LEVEL: Final = 9
ZSTD_LEVEL: Final = 3


class Row(NamedTuple):
    """One indexed file, as much of it as order and change detection need.

    ``path`` is relative to PKGDIR; ``build`` holds BUILD_ID and BUILD_TIME, which with CPV, size and mtime make what Portage
    calls an instance. A tuple, because tens of thousands are made in every run.
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
        """What tells it from others of the same CPV (bindbapi._instance_key in Portage)."""
        return self.build, self.size, self.mtime_ns // 1_000_000_000


@dataclass(slots=True)
class Block:
    """Consecutive entries. ``gz`` and ``zst`` hold the same text; ``text_size`` is its length in bytes."""

    rows: list[Row]
    text_size: int
    gz: bytes = field(repr=False)
    zst: bytes = field(repr=False)

    def text(self) -> bytes:
        """Raises zstandard.ZstdError when the stored form is damaged: frames carry a checksum."""
        return zstandard.ZstdDecompressor().decompress(self.zst, max_output_size=self.text_size)

    def entries(self) -> list[bytes]:
        """The text of each entry in the order of ``rows``, without the empty lines between."""
        return [entry + b"\n" for entry in self.text().split(b"\n\n")[:-1]]


def gzip_member(data: bytes, mtime: int = 0) -> bytes:
    """One gzip member of its own."""
    return gzip.compress(data, GZIP_LEVEL, mtime=mtime)


def zstd_frame(data: bytes) -> bytes:
    """One zstd frame with its content's size and checksum."""
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True).compress(data)


def make_block(rows: Sequence[Row], entries: Sequence[bytes]) -> Block:
    """A block of ``rows`` whose entries read ``entries``; each ends with one newline."""
    text = b"\n".join(entries) + b"\n"
    return Block(list(rows), len(text), gzip_member(text), zstd_frame(text))


def arrange(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows that the index lists, in its order, and those that others shadow.

    ``rows`` come in the order of the walk. Order is by CPV as text, then by walk. Of several files of one instance the last
    walked is listed, at the place of the first (binarytree._populate_local and PackageIndex.write in Portage).
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
    return zlib.crc32(cpv.encode("utf-8", "surrogateescape")) % _MEAN == 0


def cut(rows: Sequence[Row]) -> list[list[Row]]:
    """Cut ordered rows into blocks; entries of one CPV stay together."""
    if not rows:
        return []
    starts = [0]
    for number in [number for number, row in enumerate(rows) if _begins(row.cpv)]:
        if number and rows[number].cpv != rows[number - 1].cpv:
            starts.append(number)
    return [list(rows[start:end]) for start, end in zip(starts, [*starts[1:], len(rows)], strict=True)]
