"""What a source offers becomes an index with names in the pool; a block that the live release has too is taken from there.

Of a PKGDIR, only blocks count that it says itself were these in its last release. All others are read, entry by entry.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from portage_ext.errors import PortageExtError
from portage_ext.errors.releases import TreeError
from portage_ext.model.release import PLAIN_FORM
from portage_ext.records import field, record
from portage_ext.releases import blocks, contents
from portage_ext.releases.blocks import Block, Bytes
from portage_ext.releases.contents import Contents
from portage_ext.releases.pool.kept import kept
from portage_ext.releases.pool.names import named, named_block

_PIECE: Final = 8 << 20
"""Bytes of an index that are read at once: enough to compute digests side by side."""


@record(eq=False)
class Carried:
    """An index with names in the pool, and the path that each file has in the source.

    ``digests`` are those of the blocks in the source, one for each block of the index; empty if it was read as a whole.
    """

    contents: Contents
    sources: Mapping[str, str]
    digests: tuple[bytes, ...] = ()
    plain: tuple[Bytes, ...] = ()
    """The bytes of the index of a release; empty if not all of it was read."""


@record(frozen=False, eq=False)
class _Sources(Mapping[str, str]):
    """The paths in the source by name. The names of carried blocks are known only to those who read all of it."""

    pkgdir: Path
    known: dict[str, str]
    whole: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        if name in self.known:
            return self.known[name]
        return self._every()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._every())

    def __len__(self) -> int:
        return len(self._every())

    def _every(self) -> Mapping[str, str]:
        if not self.whole:
            # The index may have changed since its lock was let go of; then only messages lack the paths.
            with contextlib.suppress(PortageExtError, OSError):
                plain, where = _read(self.pkgdir)
                self.whole = named(contents.parse(plain, where), where).sources
        return self.whole


@record(frozen=False, eq=False)
class _Itself(Mapping[str, str]):
    """Each name of an index by itself."""

    entries: Mapping[str, bytes]

    def __getitem__(self, name: str) -> str:
        if name in self.entries:
            return name
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def of_release(directory: Path, others: Sequence[Block] | None = None) -> Carried:
    """The index of the release in ``directory``; with ``others``, only for a comparison with the index that has these blocks.

    Raises TreeError, InvalidIndexError, OSError.
    """
    found = blocks.compared(directory, others) if others else blocks.Found()
    if not found.blocks:
        found = blocks.of_release(directory)
    if found.blocks:
        index = contents.of_found(found, str(directory / PLAIN_FORM), unique=others is None)
        read = (found.head, *blocks.joined(found.blocks, PLAIN_FORM)) if found.whole else ()
        return Carried(index, _Itself(index.entries), plain=read)
    plain, where = _read(directory)
    whole = named(contents.parse(plain, where), where)
    return Carried(whole.contents, whole.sources, plain=(plain,))


def of_pkgdir(
    pkgdir: Path,
    sizes: Sequence[int],
    live: Callable[[], Sequence[Block]],
    compress: Callable[[Block], None] = lambda block: None,
) -> Carried:
    """The index of a PKGDIR whose blocks have ``sizes`` (empty: not known), for a channel whose live release has ``live``.

    ``live`` is asked when it is needed. ``compress`` is called with each block that it does not have. Raises TreeError,
    InvalidIndexError, OSError.
    """
    known_as, where = kept(pkgdir), str(pkgdir / PLAIN_FORM)
    head, digests, texts = _in_blocks(pkgdir, sizes, known_as)
    there = {block.identity: block for block in live()}
    served = frozenset(block.digest for block in there.values())
    known_as = {digest: identity for digest, identity in known_as.items() if identity in there}
    if not {digest for digest in digests if digest not in known_as} <= texts.keys():
        head, digests, texts = _in_blocks(pkgdir, sizes, known_as)
    if not digests:
        plain, where = _read(pkgdir)
        whole = named(contents.parse(plain, where), where)
        return Carried(whole.contents, whole.sources)
    known: dict[str, str] = {}
    made: list[Block] = []
    for digest in digests:
        block = there.get(known_as.get(digest, b""))
        if block is None:
            block, sources = named_block(texts[digest], where)
            known.update(sources)
            if block.digest not in served:
                compress(block)
        else:
            block = block.as_known()
        made.append(block)
    header = contents.header_of(head, where)
    if "PACKAGES" in header:
        header["PACKAGES"] = str(sum(block.count for block in made))
    return Carried(contents.of_blocks(header, made, where), _Sources(pkgdir, known), tuple(digests))


def _in_blocks(
    pkgdir: Path, sizes: Sequence[int], known: Collection[bytes]
) -> tuple[bytes, Sequence[bytes], Mapping[bytes, bytes]]:
    """The header of the index in ``pkgdir``, the digests of its blocks, and the text of each whose digest is not ``known``.

    No digests if these are not its ``sizes``. It is read in pieces, so that it is never in memory as a whole.
    """
    digests: list[bytes] = []
    texts: dict[bytes, bytes] = {}
    try:
        with open(pkgdir / PLAIN_FORM, "rb", buffering=0) as file:
            begin = os.fstat(file.fileno()).st_size - sum(sizes)
            head = file.read(begin) if sizes and min(sizes) > 0 and begin > 0 else b""
            if len(head) != begin or head.find(b"\n\n") != len(head) - 2:
                return b"", (), {}
            for part in _parts(sizes):
                found = blocks.cut(file.read(sum(part)), part)
                if not found:
                    return b"", (), {}
                values = blocks.digests(found)
                texts.update((one, bytes(text)) for one, text in zip(values, found, strict=True) if one not in known)
                digests += values
    except FileNotFoundError:
        return b"", (), {}
    return head, digests, texts


def _parts(sizes: Sequence[int]) -> Iterator[Sequence[int]]:
    """``sizes`` in parts of about _PIECE bytes."""
    first = total = 0
    for number, size in enumerate(sizes):
        total += size
        if total >= _PIECE or number + 1 == len(sizes):
            yield sizes[first : number + 1]
            first, total = number + 1, 0


def _read(directory: Path) -> tuple[bytes, str]:
    place = directory / PLAIN_FORM
    try:
        return place.read_bytes(), str(place)
    except FileNotFoundError:
        raise TreeError(str(directory), f"there is no {PLAIN_FORM}") from None
