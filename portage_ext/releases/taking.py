"""What a release will be made of is taken from its source: the index with names in the pool, and the files that the pool lacks.

Files of the live release are used again after a look at their size and time. A file that was deleted or damaged there comes
from the source again. If a package is replaced while it is taken, everything is read again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.errors.releases import ChangingPkgdirError
from portage_ext.model import builder
from portage_ext.model.release import DELTAS, DOCUMENTS, binding
from portage_ext.policy.losses import check_release
from portage_ext.records import record, replace
from portage_ext.releases import beside, pages
from portage_ext.releases.blocks import Block, categories
from portage_ext.releases.contents import Contents, apart
from portage_ext.releases.made import At, Same, Snapshot, Source, Terms
from portage_ext.releases.note import Note, carry
from portage_ext.releases.pool.carrying import Carried, of_pkgdir, of_release
from portage_ext.releases.pool.files import ReplacedError, Wanted, in_pool
from portage_ext.releases.pool.released import check_documents, check_index
from portage_ext.releases.tree import Tree
from portage_ext.trust import next_release
from portage_ext.words import counted

_NOTHING: Final = Contents({}, {}, b"")


@record
class Wants:
    """The terms; whether it has pages; ``force``: why also without a difference; ``may_lose``: also if few packages remain."""

    terms: Terms
    pages: bool
    force: str
    may_lose: bool


@record(eq=False)
class _Live:
    """The live release, with names in the pool. In the ``former`` form it has the files in itself, at ``paths``."""

    number: int
    directory: Path
    index: Carried
    paths: Mapping[str, bytes]
    former: bool
    note: Note


def take(
    tree: Tree,
    channel: str,
    live: int | None,
    source: Source,
    wants: Wants,
    now: int,
    compress: Callable[[Block], None] = lambda block: None,
) -> Snapshot | Same:
    """Take what ``source`` has, for ``channel``, whose live release is ``live``, at ``now`` (seconds since 1970).

    ``compress`` is called with each block that the live release does not have, as soon as it is known.

    Raises EmptiedReleaseError, ChangingPkgdirError, PoolNameError, InvalidIndexError, TreeError, OSError, and what ``source``
    raises.
    """
    for attempt in range(1, limits.SNAPSHOT_ATTEMPTS + 1):
        with source.hold():
            try:
                return _taken(tree, channel, live, source, wants, now, compress)
            except ReplacedError as error:
                tree.discard_staging()
                if attempt == limits.SNAPSHOT_ATTEMPTS:
                    raise ChangingPkgdirError(str(error)) from error
    raise AssertionError("the last attempt returns")


def _taken(
    tree: Tree,
    channel: str,
    live: int | None,
    source: Source,
    wants: Wants,
    now: int,
    compress: Callable[[Block], None],
    *,
    fully: bool = False,
) -> Snapshot | Same:
    """``fully``: read all of the live release, also where it says that it has the same as the source."""
    with ThreadPoolExecutor(2) as threads:
        checked: Future[None] | None = None
        if source.content is None:
            reading = threads.submit(lambda: None if live is None else _live(tree, live))

            def serves() -> Sequence[Block]:
                there = reading.result()
                return () if there is None else there.index.contents.blocks

            looking = threads.submit(lambda: _looked(tree, serves()))
            index = of_pkgdir(source.directory, source.sizes(), serves, compress)
            old = reading.result()
        else:
            index = of_release(source.directory)
            if source.release is not None:
                checked = threads.submit(check_index, source.release, index.plain, source.directory)
                check_documents(index.contents.header, source.builder, source.documents, source.directory)
            looking = threads.submit(_looked, tree, index.contents.blocks)
            old = None if live is None else _live(tree, live, () if fully else index.contents.blocks)
        look = looking.result()
        if checked is not None:
            checked.result()
    before = _NOTHING if old is None else old.index.contents
    new = whole = index.contents
    arrived, waiting = {}, None
    if source.kept is not None:
        arrived, waiting = dict(source.kept.arrived), source.kept.waiting
    elif old is not None and (part := beside.first_part(before, whole, old.note, wants.terms.first, now)):
        arrived, waiting = dict(part.arrived), part.waiting
        new = part.contents
        if part.waiting is not None:
            # What the channel serves is signed again.
            read = old.index if old.index.plain else of_release(old.directory)
            check_index(tree.release(old.number), read.plain, old.directory)
            if not read.contents.same_body_as(before):
                raise ReplacedError(str(old.directory))

    def at(path: str) -> Path:
        if path in index.sources:
            return source.directory / index.sources[path]
        return Path(tree.pool.path(path))

    described = builder.binding(source.builder) if source.builder else ""
    documents = source.attached(new, at)
    bound = {key: binding(name, documents[name]) if name in documents else "" for name, key in DOCUMENTS.items()}
    new = replace(new, header={**new.header, builder.HEADER: described, **bound, pages.HEADER: "", DELTAS: ""})
    served, offered = apart(before, new)
    lost: frozenset[str] = frozenset()
    unsound: list[str] = []
    also: list[str] = []
    if old is not None:
        unsound = _unsound(tree, old, new, offered, look)
        lost = frozenset(_lost(tree, unsound, at))
        also = _beside(tree, old, new, source, wants, now)
        also += [f"{counted(len(lost))} missing from release {live}"] if lost else []
        if new.same_as(before) and not also:
            also += beside.waiting(old.note.waiting, waiting)
            if not also:
                # It is the same only if the live release really has what it says.
                if fully or source.content is None:
                    return Same(waiting)
                return _taken(tree, channel, live, source, wants, now, compress, fully=True)
    if not wants.may_lose:
        gone = [path for path in served if path not in offered]
        check_release(channel, None if old is None else before.entries, new.entries, source.left_out(), gone)
    carried: dict[str, int] = {}
    if old is not None:
        # What was carried until now was not in the index, so that it is not in what both have.
        carried = carry(
            old.paths if old.former else served,
            old.note.carried,
            new.entries if old.former else offered,
            now,
            wants.terms.grace,
        )
    fresh = (*offered, *sorted(lost))
    unseen = None if old is None or old.former else tuple(dict.fromkeys((*fresh, *unsound)))
    tree.staging.mkdir(mode=0o755)
    placed = tree.pool.add(_wanted(tree, old, new, fresh, source, at, carried), tree.staging)
    for path in [path for path in carried if not tree.pool.has(path)]:
        del carried[path]
    named = categories(new.blocks) if new.blocks else _categories(new.entries)
    tree.pool.link(tree.staging, named | _categories(carried))
    digests = index.digests if new.blocks else ()
    return Snapshot(
        new,
        index.sources,
        source.builder,
        before,
        fresh,
        unseen,
        carried,
        placed,
        tuple(also),
        documents,
        arrived,
        waiting,
        digests,
    )


@record(eq=False)
class _Look:
    """The ``records`` of blocks that were compared with the files of the pool, and the names of files that are otherwise."""

    records: frozenset[bytes]
    others: Sequence[str]


def _looked(tree: Tree, blocks: Iterable[Block]) -> _Look:
    """A look at all files of ``blocks``; while others are read, it costs little."""
    records = [block.record for block in blocks]
    return _Look(frozenset(records), tree.pool.others(b"".join(records)))


def _categories(names: Iterable[str]) -> set[str]:
    return {name.partition("/")[0] for name in names}


def _live(tree: Tree, number: int, others: Sequence[Block] = ()) -> _Live:
    """The release ``number``, to be compared with ``others``, if there are some."""
    directory = tree.directory(number)
    index = of_release(directory, others)
    former = not in_pool(directory, index.contents.entries)
    paths = tree.contents(number).entries if former else index.contents.entries
    return _Live(number, directory, index, paths, former, tree.note(number))


def _unsound(tree: Tree, old: _Live, new: Contents, offered: Mapping[str, bytes], look: _Look) -> list[str]:
    """The packages that the live release and ``new`` have, but not as files that are as their entries say.

    ``offered`` are the packages that only ``new`` has.
    """
    if new.blocks and not old.former:
        more = tree.pool.others(b"".join(block.record for block in new.blocks if block.record not in look.records))
        strange = [path for path in (*look.others, *more) if path not in offered and path in new.entries]
        return [path for path in dict.fromkeys(strange) if not tree.pool.sound(path, new.entries[path])]
    same = [(path, text) for path, text in new.entries.items() if path not in offered]
    if old.former:
        return [path for path, _ in same if not os.path.lexists(old.directory / old.index.sources[path])]
    return tree.pool.unsound(same)


def _lost(tree: Tree, unsound: Iterable[str], at: At) -> Iterator[str]:
    """The ``unsound`` packages that the source can replace."""
    for path in unsound:
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
