"""What a release will be made of is taken from its source: the index with names in the pool, and the files that the pool lacks.

Files of the live release are used again after a look at their size and time. A file that was deleted or damaged there comes
from the source again. If a package is replaced while it is taken, everything is read again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.errors.releases import ChangingPkgdirError, TreeError
from portage_ext.model import builder
from portage_ext.model.release import DELTAS, DOCUMENTS, PLAIN_FORM, binding
from portage_ext.policy.losses import check_release
from portage_ext.releases import beside, contents, pages
from portage_ext.releases.contents import Contents
from portage_ext.releases.made import At, Same, Snapshot, Source, Terms
from portage_ext.releases.note import Note, carry
from portage_ext.releases.pool.files import ReplacedError, Wanted, in_pool
from portage_ext.releases.pool.names import Named, named
from portage_ext.releases.tree import Tree
from portage_ext.trust import next_release
from portage_ext.words import counted

_NOTHING: Final = Contents({}, {}, b"")


@dataclass(frozen=True, slots=True)
class Wants:
    """The terms; whether it has pages; ``force``: why also without a difference; ``may_lose``: also if few packages remain."""

    terms: Terms
    pages: bool
    force: str
    may_lose: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Live:
    """The live release, with names in the pool. In the ``former`` form it has the files in itself, at ``paths``."""

    number: int
    directory: Path
    index: Named
    paths: Mapping[str, bytes]
    former: bool
    note: Note


def take(tree: Tree, channel: str, live: int | None, source: Source, wants: Wants, now: int) -> Snapshot | Same:
    """Take what ``source`` has, for ``channel``, whose live release is ``live``, at ``now`` (seconds since 1970).

    Raises EmptiedReleaseError, ChangingPkgdirError, PoolNameError, InvalidIndexError, TreeError, OSError, and what ``source``
    raises.
    """
    for attempt in range(1, limits.SNAPSHOT_ATTEMPTS + 1):
        with source.hold():
            source.refresh()
            try:
                return _taken(tree, channel, live, source, wants, now)
            except ReplacedError as error:
                tree.discard_staging()
                if attempt == limits.SNAPSHOT_ATTEMPTS:
                    raise ChangingPkgdirError(str(error)) from error
    raise AssertionError("the last attempt returns")


def _taken(tree: Tree, channel: str, live: int | None, source: Source, wants: Wants, now: int) -> Snapshot | Same:
    index = _read(source.directory)
    old = None if live is None else _live(tree, live)
    before = _NOTHING if old is None else old.index.contents
    new = whole = index.contents
    arrived, waiting = {}, None
    if source.kept is not None:
        arrived, waiting = dict(source.kept.arrived), source.kept.waiting
    elif old is not None and (part := beside.first_part(before, whole, old.note, wants.terms.first, now)):
        arrived, waiting = dict(part.arrived), part.waiting
        new = part.contents

    def at(path: str) -> Path:
        if path in index.sources:
            return source.directory / index.sources[path]
        return Path(tree.pool.path(path))

    described = builder.binding(source.builder) if source.builder else ""
    documents = source.attached(new, at)
    bound = {key: binding(name, documents[name]) if name in documents else "" for name, key in DOCUMENTS.items()}
    new = replace(new, header={**new.header, builder.HEADER: described, **bound, pages.HEADER: "", DELTAS: ""})
    lost: frozenset[str] = frozenset()
    also: list[str] = []
    if old is not None:
        lost = frozenset(_lost(tree, old, new, at))
        also = _beside(tree, old, new, source, wants, now)
        also += [f"{counted(len(lost))} missing from release {live}"] if lost else []
        if new.same_as(before) and not also:
            also += beside.waiting(old.note.waiting, waiting)
            if not also:
                return Same(waiting)
    if not wants.may_lose:
        check_release(channel, None if old is None else before.entries, new.entries, source.left_out())
    carried: dict[str, int] = {}
    if old is not None:
        carried = carry(old.paths, old.note.carried, new.entries, now, wants.terms.grace)
    fresh = tuple(path for path, text in new.entries.items() if before.entries.get(path) != text or path in lost)
    tree.staging.mkdir(mode=0o755)
    placed = tree.pool.add(_wanted(tree, old, new, fresh, source, at, carried), tree.staging)
    for path in [path for path in carried if not tree.pool.has(path)]:
        del carried[path]
    tree.pool.link(tree.staging, [*new.entries, *carried])
    return Snapshot(
        new, {}, b"", index.sources, source.builder, before, fresh, carried, placed, tuple(also), documents, arrived, waiting
    )


def _read(directory: Path) -> Named:
    """The index in ``directory`` with names in the pool. Raises TreeError, InvalidIndexError, OSError."""
    place = directory / PLAIN_FORM
    try:
        index = contents.parse(place.read_bytes(), str(place))
    except FileNotFoundError:
        raise TreeError(str(directory), f"there is no {PLAIN_FORM}") from None
    return named(index, str(place))


def _live(tree: Tree, number: int) -> _Live:
    directory, index = tree.directory(number), tree.contents(number)
    former = not in_pool(directory, index.entries)
    made = named(index, str(directory / PLAIN_FORM)) if former else Named(index, {})
    return _Live(number, directory, made, index.entries, former, tree.note(number))


def _lost(tree: Tree, old: _Live, new: Contents, at: At) -> Iterator[str]:
    """The files that are missing or damaged in the live release, although it lists them, and that the source can replace."""
    same = [(path, text) for path, text in new.entries.items() if old.index.contents.entries.get(path) == text]
    if old.former:
        gone = [path for path, _ in same if not os.path.lexists(old.directory / old.index.sources[path])]
    else:
        gone = tree.pool.unsound(same)
    for path in gone:
        there, here = at(path), Path(tree.pool.path(path))
        # A release as the source has the same files, so it has nothing better.
        if os.path.lexists(there) and not (here.exists() and here.samefile(there)):
            yield path


def _beside(tree: Tree, old: _Live, new: Contents, source: Source, wants: Wants, now: int) -> list[str]:
    """The reasons for a release of ``source`` other than packages, in words."""
    before = old.index.contents
    found = beside.in_the_index(before, new, old.directory, source.builder)
    if wants.pages != bool(before.header.get(pages.HEADER)):
        found.append(beside.PAGES if wants.pages else beside.NO_PAGES)
    if (old.note.hold is None) != (source.holds is None):
        found.append(f"the channel is {source.holds}" if source.holds else beside.RELEASED)
    if next_release.needs_renewal(tree.release(old.number), now):
        found.append(beside.LATER_EXPIRY)
    return found + ([wants.force] if wants.force else [])


def _wanted(
    tree: Tree,
    old: _Live | None,
    new: Contents,
    fresh: Iterable[str],
    source: Source,
    at: At,
    carried: Mapping[str, int],
) -> Iterator[Wanted]:
    """The files that the pool may lack."""
    new_files = frozenset(fresh)
    for path in new_files:
        yield Wanted(str(at(path)), path, new.entries[path], source.content is None)
    if old is None or not old.former:
        return
    # The first release after one of the former form: what stays comes from there, and its names are kept for the grace time.
    for path, text in new.entries.items():
        if path not in new_files:
            yield Wanted(f"{old.directory}/{old.index.sources[path]}", path, text)
    for path in carried:
        place = f"{old.directory}/{path}"
        if os.path.lexists(place) and not tree.pool.has(path):
            yield Wanted(place, path, b"")
