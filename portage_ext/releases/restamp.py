"""All forms of an index for a release, with its own TIMESTAMP: clients ignore an index that does not look newer.

A form is a sequence of members or frames, and the first has the header (index/blocks). A block that an earlier release has is
taken from there, compressed; only others are compressed now, by threads, from the moment at which they are known. Nobody joins
the parts of a form who only writes or hashes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from itertools import pairwise
from pathlib import Path

from portage_ext.index.blocks import gzip_member, starts, zstd_frame
from portage_ext.index.forms import GZIP, ZSTD
from portage_ext.index.text import emit_header
from portage_ext.model.release import PLAIN_FORM
from portage_ext.records import record, replace
from portage_ext.releases import blocks
from portage_ext.releases.blocks import Block, Bytes
from portage_ext.releases.contents import Contents


@record(frozen=False, eq=False)
class Forms(Mapping[str, bytes]):
    """The forms of the index ``contents`` by name: each is its head, which is the header, and the blocks.

    ``compressed`` are the digests of the blocks that were compressed for it.
    """

    contents: Contents
    heads: Mapping[str, bytes]
    compressed: frozenset[bytes]

    def __getitem__(self, name: str) -> bytes:
        return b"".join(self.parts(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self.heads)

    def __len__(self) -> int:
        return len(self.heads)

    def parts(self, name: str) -> Sequence[Bytes]:
        """The head of the form ``name``, and its blocks in few pieces."""
        return [self.heads[name], *blocks.joined(self.contents.blocks, name)]

    def size(self, name: str) -> int:
        """The bytes of the form ``name``."""
        return sum(map(len, self.parts(name)))


class Compressing:
    """Blocks that ``threads`` compress: zlib and zstd let go of the interpreter."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._begun: dict[bytes, Future[tuple[bytes, bytes]]] = {}

    def begin(self, block: Block) -> None:
        """Compress ``block``, if it is not compressed yet."""
        if not (block.gz and block.zst) and block.digest not in self._begun:
            self._begun[block.digest] = self._threads.submit(_compressed, bytes(block.text))

    def done(self, block: Block) -> Block:
        """``block`` with its compressed forms; it was begun."""
        if block.gz and block.zst:
            return block
        gz, zst = self._begun[block.digest].result()
        return replace(block, gz=gz, zst=zst, place=None)


def restamp(contents: Contents, timestamp: int, earlier: Iterable[Path], compressing: Compressing) -> Forms:
    """All forms of the index ``contents`` with ``timestamp`` (seconds since 1970), after the releases in ``earlier``."""
    header = {**contents.header, "TIMESTAMP": str(timestamp)}
    head = emit_header(header)
    parts = contents.blocks or tuple(_known(contents, earlier))
    new = frozenset(block.digest for block in parts if not (block.gz and block.zst))
    for block in parts:
        compressing.begin(block)
    made = tuple(map(compressing.done, parts)) if new else parts
    heads = {PLAIN_FORM: head, GZIP: gzip_member(head, timestamp), ZSTD: zstd_frame(head)}
    return Forms(replace(contents, header=header, blocks=made), heads, new)


def _compressed(text: bytes) -> tuple[bytes, bytes]:
    return gzip_member(text), zstd_frame(text)


def _known(contents: Contents, earlier: Iterable[Path]) -> Iterator[Block]:
    """The blocks of an index that was read as a whole; those of ``earlier`` releases where these have the same text."""
    known = {block.digest: block for directory in earlier for block in blocks.of_release(directory).blocks}
    parts = list(_cut(contents.entries))
    if b"".join(_text(part) for part in parts) != contents.body:
        parts = [contents.entries] if contents.entries else []
    for part in parts:
        text = _text(part) if len(parts) > 1 else contents.body
        block = known.get(blocks.digest(text))
        yield blocks.made(text, part) if block is None else block


def _text(part: Mapping[str, bytes]) -> bytes:
    return b"\n\n".join([*part.values(), b""])


def _cut(entries: Mapping[str, bytes]) -> Iterator[Mapping[str, bytes]]:
    """The entries of each block. A block begins where the CPVs say so (index/blocks)."""
    rows = list(entries.items())
    begins = starts([blocks.value(text, b"CPV: ") for _, text in rows])
    for start, end in pairwise([*begins, len(rows)]):
        yield dict(rows[start:end])
