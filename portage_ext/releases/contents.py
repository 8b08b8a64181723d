"""The content of a release is its index, entry by entry, as text: two releases differ exactly where these texts differ."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from portage_ext.errors import InvalidIndexError
from portage_ext.errors.releases import TreeError
from portage_ext.index.entry import entry_of
from portage_ext.index.forms import FORMS
from portage_ext.index.text import read_header
from portage_ext.model import STRONG, IndexEntry
from portage_ext.model.release import DELTAS, PLAIN_FORM
from portage_ext.records import record
from portage_ext.releases import pages
from portage_ext.releases.blocks import Block, Entries, Found, distinct, joined, split, texts


@record(eq=False)
class Contents:
    """An index: header values, and the text of each entry by PATH. ``text`` is everything after the header, or None if that is
    what ``blocks`` say.

    ``blocks`` are its parts, if they are known.
    """

    header: Mapping[str, str]
    entries: Mapping[str, bytes]
    text: bytes | None
    blocks: tuple[Block, ...] = ()

    @property
    def body(self) -> bytes:
        """Everything after the header."""
        if self.text is not None:
            return self.text
        return b"".join(joined(self.blocks, PLAIN_FORM))

    def entry(self, path: str) -> IndexEntry:
        """The values of one entry, including those that it inherits from the header."""
        return entry_of(self.entries[path])

    def same_as(self, other: Contents) -> bool:
        """Whether nothing changes for clients: everything but TIMESTAMP, the pages and the deltas is equal."""
        return _lasting(self.header) == _lasting(other.header) and self.same_body_as(other)

    def same_body_as(self, other: Contents) -> bool:
        """Whether everything after the header is equal."""
        if self.blocks and other.blocks:
            one, two = ([len(block.text) for block in index.blocks] for index in (self, other))
            if one == two:
                return [block.digest for block in self.blocks] == [block.digest for block in other.blocks]
            if sum(one) != sum(two):
                return False
        return self.body == other.body


def _lasting(header: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in header.items() if value and key not in ("TIMESTAMP", pages.HEADER, DELTAS)}


def parse(plain: bytes, where: str) -> Contents:
    """Split an index, reading no more of each entry than its PATH. Raises InvalidIndexError, also as releases/blocks.split."""
    head, body = halves(plain, where)
    return Contents(header_of(head, where), split(body, where), body)


def halves(plain: bytes, where: str) -> tuple[bytes, bytes]:
    """The header with the empty line after it, and the rest. Raises InvalidIndexError."""
    head, ends, body = plain.partition(b"\n\n")
    if not ends:
        raise InvalidIndexError(where, "no empty line ends the header")
    return head + ends, body


def header_of(head: bytes, where: str) -> dict[str, str]:
    """The values of a header. Raises InvalidIndexError."""
    return read_header(io.BytesIO(head), where)


def of_blocks(header: Mapping[str, str], blocks: Sequence[Block], where: str, *, unique: bool = True) -> Contents:
    """An index of ``blocks``, whose entries nobody reads until somebody asks for them.

    Raises InvalidIndexError if two entries have the same path; without ``unique``, nobody looks.
    """
    entries = Entries(blocks)
    if unique and distinct(b"".join(block.record for block in blocks)) != len(entries):
        raise InvalidIndexError(where, "two entries have the same path")
    return Contents(header, entries, None, tuple(blocks))


def of_found(found: Found, where: str, *, unique: bool) -> Contents:
    """The same for the blocks of a release."""
    return of_blocks(header_of(found.head, where), found.blocks, where, unique=unique)


def apart(before: Contents, after: Contents) -> tuple[Mapping[str, bytes], Mapping[str, bytes]]:
    """The entries of two indexes that the other one lacks, or has otherwise."""
    if not (before.blocks and after.blocks):
        one, other = (each.whole() if isinstance(each, Entries) else each for each in (before.entries, after.entries))
        return (
            {path: text for path, text in one.items() if other.get(path) != text},
            {path: text for path, text in other.items() if one.get(path) != text},
        )
    known = after.entries.compared if isinstance(after.entries, Entries) else None
    if known is not None and known[0] is before.entries:
        return known[1]
    served, offered = _texts(before.blocks, after.blocks)
    found = _only(before, served, frozenset(offered)), _only(after, offered, frozenset(served))
    if isinstance(after.entries, Entries):
        after.entries.compared = before.entries, found
    return found


def _texts(before: Sequence[Block], after: Sequence[Block]) -> tuple[list[bytes], list[bytes]]:
    """The texts of the entries of two indexes, without most of those that both have."""
    both = {block.digest for block in before} & {block.digest for block in after}
    one, other = ([block for block in blocks if block.digest not in both] for blocks in (before, after))
    ours, others = ([bytes(block.text) for block in blocks] for blocks in (one, other))
    there = {_first(block): number for number, block in enumerate(other)}
    for number, block in enumerate(one):
        if (at := there.pop(_first(block), None)) is not None:
            ours[number], others[at] = differing(ours[number], others[at])
    return [text for part in ours for text in texts(part)], [text for part in others for text in texts(part)]


def _first(block: Block) -> bytes:
    """The name of its first entry."""
    return block.record.partition(b" ")[0]


def differing(one: bytes, other: bytes) -> tuple[bytes, bytes]:
    """Two texts of entries without the entries with which both begin, and those with which both end."""
    most = min(len(one), len(other))
    same = _bisected(most, lambda low, high: one[low:high] == other[low:high])
    at = one.rfind(b"\n\n", 0, same)
    begin = at + 2 if at >= 0 else 0
    behind = _bisected(most - begin, lambda low, high: _last(one, low, high) == _last(other, low, high))
    at = one.find(b"\n\n", len(one) - behind)
    rest = len(one) - (at + 2) if at >= 0 else 0
    return one[begin : len(one) - rest], other[begin : len(other) - rest]


def _last(text: bytes, low: int, high: int) -> bytes:
    return text[len(text) - high : len(text) - low]


def _bisected(most: int, same: Callable[[int, int], bool]) -> int:
    """The greatest number up to ``most`` for which all before it is the ``same``."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if same(low, middle):
            low = middle
        else:
            high = middle - 1
    return low


def _only(index: Contents, own: Iterable[bytes], others: Collection[bytes]) -> Mapping[str, bytes]:
    """Those of ``own`` that are not among ``others``, by path."""
    found = split(b"\n\n".join(text for text in own if text not in others), "a release")
    if isinstance(index.entries, Entries):
        index.entries.learn(found)
    return found


def same_entries(before: Contents, after: Contents) -> bool:
    """Whether two indexes have the same entries, in any order."""
    return not any(apart(before, after))


def read_forms(directory: Path) -> dict[str, bytes]:
    """The forms of the index in ``directory``, by name. Raises TreeError without the plain form, OSError."""
    forms: dict[str, bytes] = {}
    for name in FORMS:
        with contextlib.suppress(FileNotFoundError):
            forms[name] = (directory / name).read_bytes()
    if PLAIN_FORM not in forms:
        raise TreeError(str(directory), f"there is no {PLAIN_FORM}")
    return forms


_FILE: Final = ("SIZE", "MD5", "SHA1", *STRONG)
"""The keys that differ if and only if the file differs."""


@record
class Change:
    """The same package (CPV and slot) as another file: what differs, by key of the index, old and new."""

    before: IndexEntry
    after: IndexEntry

    def keys(self) -> dict[str, tuple[str, str]]:
        """The differing keys that matter to people: version, build, USE, slot, size."""
        names = ("BUILD_ID", "USE", "SLOT", "SIZE", "REPO", "RDEPEND")
        pairs = {name: (self.before.get(name), self.after.get(name)) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    def other_metadata(self) -> list[str]:
        """If the file is the same: the keys of the index that differ. Empty for another file."""
        if any(self.before.get(name) != self.after.get(name) for name in _FILE):
            return []
        names = sorted({*self.before.values, *self.after.values} - {"MTIME", "PATH"})
        return [name for name in names if self.before.get(name) != self.after.get(name)]


@record
class Difference:
    """The changes from one release to another, sorted by name. A package with a changed file is rebuilt."""

    added: tuple[IndexEntry, ...]
    removed: tuple[IndexEntry, ...]
    rebuilt: tuple[Change, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.rebuilt)


def difference(before: Contents, after: Contents) -> Difference:
    """What changes for a client. Files are paired by path, then by build id, then builds of one version in their order.

    The same package under another path is no change.
    """
    served, offered = apart(before, after)
    old, new = [entry_of(text) for text in served.values()], [entry_of(text) for text in offered.values()]
    changes: list[tuple[IndexEntry, IndexEntry]] = []
    for key in (_path, _instance, _name):
        waiting: dict[tuple[str, ...], list[IndexEntry]] = {}
        for one in _sorted(old):
            waiting.setdefault(key(one), []).append(one)
        pairs = [(waiting[key(one)].pop(0), one) for one in _sorted(new) if waiting.get(key(one))]
        done = {id(one) for pair in pairs for one in pair}
        old, new = [one for one in old if id(one) not in done], [one for one in new if id(one) not in done]
        changes += pairs
    different = [Change(a, b) for a, b in changes if {**a.values, "PATH": ""} != {**b.values, "PATH": ""}]
    return Difference(tuple(_sorted(new)), tuple(_sorted(old)), tuple(sorted(different, key=lambda one: _order(one.after))))


def _path(entry: IndexEntry) -> tuple[str, ...]:
    return (entry.get("PATH"),)


def _instance(entry: IndexEntry) -> tuple[str, ...]:
    return entry.get("CPV"), entry.get("BUILD_ID")


def _name(entry: IndexEntry) -> tuple[str, ...]:
    return entry.get("CPV"), entry.slot.partition("/")[0]


def _order(entry: IndexEntry) -> tuple[str, int, str]:
    build = entry.get("BUILD_ID")
    return entry.get("CPV"), int(build) if build.isascii() and build.isdigit() else 0, entry.get("PATH")


def _sorted(entries: Iterable[IndexEntry]) -> list[IndexEntry]:
    return sorted(entries, key=_order)
