"""An index is cut where its content says, so that one changed package leaves every other block, and its compressed form, alone.

Cuts depend on the CPV of the entry behind them only. Each block is one gzip member and one zstd frame; both formats are
defined as sequences of those (RFC 1952, 2.2; RFC 8878, 3.1), and Portage's reader takes them so.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import zstandard

from portage_ext.gpkg.source import FileStamp

_MEAN: Final = 96
"""Entries in a block, on average: about 100 KB of text, three times the window of gzip."""
GZIP_LEVEL: Final = 9
ZSTD_LEVEL: Final = 9


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
    ordered = sorted(rows, key=_cpv)
    listed: list[Row] = []
    shadowed: list[Row] = []
    start = 0
    total = len(ordered)
    while start < total:
        end = start + 1
        cpv = ordered[start].cpv
        while end < total and ordered[end].cpv == cpv:
            end += 1
        if end == start + 1:
            listed.append(ordered[start])
        else:
            instances: dict[tuple[str, int, int], Row] = {}
            for row in ordered[start:end]:
                before = instances.get(row.instance)
                if before is not None:
                    shadowed.append(before)
                instances[row.instance] = row
            listed.extend(instances.values())
        start = end
    return listed, shadowed


def _cpv(row: Row) -> str:
    return row.cpv


def cut(rows: Sequence[Row]) -> list[list[Row]]:
    """Cut ordered rows into blocks; entries of one CPV stay together."""
    blocks: list[list[Row]] = []
    before: str | None = None
    for row in rows:
        cpv = row.cpv
        if before is None or (cpv != before and zlib.crc32(cpv.encode("utf-8", "surrogateescape")) % _MEAN == 0):
            blocks.append([])
        blocks[-1].append(row)
        before = cpv
    return blocks
