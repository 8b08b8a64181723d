"""What a source offers becomes an index with names in the pool; a block that the live release has too is taken from there.

Of a PKGDIR, only blocks count that it says itself were these in its last release. All others are read, entry by entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from portage_ext.errors.releases import TreeError
from portage_ext.model.release import PLAIN_FORM
from portage_ext.releases import blocks, contents
from portage_ext.releases.blocks import Block, Bytes
from portage_ext.releases.contents import Contents
from portage_ext.releases.pool.names import named


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """An index with names in the pool, and the path that each file has in the source.

    ``digests`` are those of the blocks in the source, one for each block of the index; empty if it was read as a whole.
    """

    contents: Contents
    sources: Mapping[str, str]
    digests: tuple[bytes, ...] = ()
    plain: tuple[Bytes, ...] = ()
    """The bytes of the index of a release; empty if not all of it was read."""


@dataclass(slots=True, eq=False)
class _Sources(Mapping[str, str]):
    """The paths in the source by name. The names of carried blocks are known only to those who read all of it."""

    plain: bytes
    where: str
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
            self.whole = named(contents.parse(self.plain, self.where), self.where).sources
        return self.whole


@dataclass(slots=True, eq=False)
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
        read = (found.head, found.bodies[PLAIN_FORM]) if found.bodies else ()
        return Carried(index, _Itself(index.entries), plain=read)
    plain, where = _read(directory)
    whole = named(contents.parse(plain, where), where)
    return Carried(whole.contents, whole.sources, plain=(plain,))


def of_pkgdir(pkgdir: Path, sizes: Sequence[int], live: Sequence[Block]) -> Carried:
    """The index of a PKGDIR whose blocks have ``sizes`` (empty: not known), for a channel whose live release has ``live``.

    Raises TreeError, InvalidIndexError, OSError.
    """
    plain, where = _read(pkgdir)
    head, body = contents.halves(plain, where)
    texts = blocks.cut(body, sizes)
    if not texts:
        whole = named(contents.parse(plain, where), where)
        return Carried(whole.contents, whole.sources)
    kept, there = blocks.kept(pkgdir), {block.identity: block for block in live}
    digests = blocks.digests(texts)
    known: dict[str, str] = {}
    made: list[Block] = []
    for text, digest in zip(texts, digests, strict=True):
        block = there.get(kept.get(digest, b""))
        if block is None:
            part = named(Contents({}, blocks.split(bytes(text), where), bytes(text)), where)
            known.update(part.sources)
            block = blocks.made(part.contents.body, part.contents.entries)
        else:
            block = block.as_known()
        made.append(block)
    header = contents.header_of(head, where)
    count = sum(block.record.count(b"\n") for block in made)
    if "PACKAGES" in header:
        header["PACKAGES"] = str(count)
    return Carried(contents.of_blocks(header, made, where), _Sources(plain, where, known), tuple(digests))


def _read(directory: Path) -> tuple[bytes, str]:
    place = directory / PLAIN_FORM
    try:
        return place.read_bytes(), str(place)
    except FileNotFoundError:
        raise TreeError(str(directory), f"there is no {PLAIN_FORM}") from None
