"""Decide what a run must do from the files that were found, the known state, and the packages that were read. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from itertools import accumulate, pairwise
from operator import itemgetter
from typing import Final

from zstandard import ZstdError

from portage_ext import errors
from portage_ext.errors import EmptyPackageError, MassRemovalError, PackageError
from portage_ext.gpkg.source import FileStamp
from portage_ext.index.blocks import Block, Row, begin_block, cut, end_block, make_block
from portage_ext.pkgdir.cache import Aside, DamagedStateError, State
from portage_ext.pkgdir.entry import Indexed, LeftOut
from portage_ext.pkgdir.walk import Found
from portage_ext.pkgdir.workers import Batch
from portage_ext.policy.losses import loses_most, lost_packages
from portage_ext.records import record

_OPEN: Final = 64
"""How many blocks are kept decompressed. One is enough if the packages are where their paths say."""
_BEGUN: Final = 200
"""How many new blocks are kept as text while they are compressed: 12 MB."""

_PATH_OF: Final = itemgetter(Row._fields.index("path"))
_CPV_OF: Final = itemgetter(Row._fields.index("cpv"))
_FILE_OF: Final = itemgetter(*range(4))
"""A file as the walk finds it, of a row."""
_FIRST: Final = itemgetter(0)


@record
class Vouched:
    """A statement of the caller: each of ``paths`` has a valid signature of the key ``signer`` (its fingerprint)."""

    signer: str
    paths: frozenset[str]


@record(frozen=False)
class Survey:
    """The files of PKGDIR in the order of the walk, and which of them must be read."""

    files: Sequence[Found]
    known: Mapping[str, Row]
    todo: list[str]
    aside: dict[str, Aside]
    """Left out before, and unchanged since."""


class Known:
    """The rows of a known state by path, and the files that they are of: both are asked for each file of PKGDIR."""

    def __init__(self, rows: Sequence[Row] = ()) -> None:
        paths = list(map(_PATH_OF, rows))
        self.rows: Mapping[str, Row] = dict(zip(paths, rows, strict=True))
        self.files: Mapping[str, Found] = dict(zip(paths, map(_FILE_OF, rows), strict=True))


def survey(files: Sequence[Found], known: Known, aside: Mapping[str, Aside], *, everything: bool) -> Survey:
    """Compare the files with the known state: a file is read if its size, mtime or inode has changed."""
    if everything:
        return Survey(files, known.rows, [file[0] for file in files], {})
    todo: list[str] = []
    still: dict[str, Aside] = {}
    get = known.files.get
    for file in [file for file in files if get(file[0]) != file]:
        before = aside.get(file[0])
        if before is not None and before.stamp == FileStamp(*file[1:]):
            still[file[0]] = before
        else:
            todo.append(file[0])
    return Survey(files, known.rows, todo, still)


class Fresh(Mapping[str, bytes]):
    """The entries that were read in this run, by path. Those of many packages are in blocks, where they need a quarter of the
    room."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.left_out: dict[str, tuple[Found, LeftOut]] = {}
        """What was not read, and the file as it was found."""
        self.blocks: list[Block] = []
        self._places: dict[str, bytes | int] = {}
        self._opened = lru_cache(maxsize=_OPEN)(partial(_entries_of, self.blocks))

    def add(self, batch: Batch, found: Mapping[str, Found]) -> None:
        """Take what was read; ``found`` are the files. What was read of the same path before is forgotten."""
        for one in batch.outcomes:
            if isinstance(one, Indexed):
                self._take(one.row, one.entry)
            else:
                self._forget(one.path)
                self.left_out[one.path] = found[one.path], one
        for block in batch.blocks:
            # The names and numbers of files are in memory already.
            block.rows = [Row(*file, row.cpv, row.build) if row[:4] == (file := found[row.path]) else row for row in block.rows]
            for row in block.rows:
                self._take(row, len(self.blocks))
            self.blocks.append(block)

    def _take(self, row: Row, place: bytes | int) -> None:
        self.left_out.pop(row.path, None)
        self.rows[row.path] = row
        self._places[row.path] = place

    def _forget(self, path: str) -> None:
        self.left_out.pop(path, None)
        self.rows.pop(path, None)
        self._places.pop(path, None)

    def _has(self, file: Found) -> bool:
        """Whether ``file`` was read, and was the same then."""
        row = self.rows.get(file[0])
        if row is not None:
            return row[:4] == file
        return file[0] in self.left_out and self.left_out[file[0]][0] == file

    def pending(self, survey: Survey) -> list[str]:
        """What must be read, or read again because it changed; whatever else was read is forgotten."""
        if not self.rows and not self.left_out:
            return survey.todo
        done = {file[0] for file in survey.files if self._has(file)}.intersection(survey.todo)
        for path in (self.rows.keys() | self.left_out.keys()) - done:
            self._forget(path)
        return [path for path in survey.todo if path not in done]

    def current(self) -> list[Block]:
        """The blocks of which nothing was forgotten."""
        places = self._places
        return [block for number, block in enumerate(self.blocks) if all(places.get(row.path) == number for row in block.rows)]

    def __getitem__(self, path: str) -> bytes:
        place = self._places[path]
        return place if isinstance(place, bytes) else self._opened(place)[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, path: object) -> bool:
        return path in self._places


def _entries_of(blocks: Sequence[Block], number: int) -> dict[str, bytes]:
    return {row.path: text for row, text in stored_entries(blocks[number])}


def in_walk_order(survey: Survey, fresh: Fresh) -> list[Row]:
    """The row of each package: what was read instead of what was known. Files that vanished in the meantime have none."""
    rows = {**survey.known, **fresh.rows}
    for path in {*survey.todo, *survey.aside} - fresh.rows.keys():
        rows.pop(path, None)
    return list(filter(None, map(rows.get, map(_FIRST, survey.files))))


def refused(path: str, aside: Aside) -> PackageError:
    """The error for which the file at ``path`` was left out."""
    kind = getattr(errors, aside.error, PackageError)
    if not (isinstance(kind, type) and issubclass(kind, PackageError)):
        kind = PackageError
    return kind(path, aside.detail)


def guard(place: str, before: Collection[str], after: Collection[str], left_out: Sequence[LeftOut]) -> None:
    """Raises MassRemovalError if most of the index would be dropped."""
    reasons = {one.path: one.error.reason for one in left_out if not isinstance(one.error, EmptyPackageError)}
    lost, superseded = lost_packages(before, after, reasons)
    if loses_most(len(before), len(after), lost, superseded):
        raise MassRemovalError(place, len(before), len(after), reasons)


def signed_by(old: State, listed: set[str], read: Collection[str], vouched: Vouched | None) -> tuple[str, frozenset[str]]:
    """The key that signed the ``listed`` packages, and those that may lack its signature; ``read`` are new or read again."""
    signer = vouched.signer if vouched else old.signer
    if not signer:
        return "", frozenset()
    doubted = {*old.doubted, *read} if signer == old.signer else listed
    return signer, frozenset(doubted & listed - (vouched.paths if vouched else frozenset()))


@contextmanager
def building_blocks(listed: Sequence[Row], old: Sequence[Block], texts: Fresh, jobs: int) -> Iterator[list[Block]]:
    """The blocks of the index: those of ``old`` whose rows are the same and were not read again, those that came with
    ``texts``, and new ones, which ``jobs`` threads compress meanwhile and until the end.

    ``texts`` has the entries that were read in this run; the others come from the old blocks. Raises DamagedStateError when
    they are not there.
    """
    by_first = {block.rows[0].path: block for block in old}
    made_before = {block.rows[0].path: block for block in texts.current()}
    pieces, read = _cut_as_before(listed, old) or cut(listed), set(texts)
    result: list[Block | None] = []
    kept: set[int] = set()
    for rows in pieces:
        block = by_first.get(rows[0].path)
        if block is not None and block.rows == rows and _says_the_same(block, texts, read):
            kept.add(id(block))
            result.append(block)
        else:
            block = made_before.get(rows[0].path)
            result.append(block if block is not None and block.rows == rows else None)
    new = [rows for rows, block in zip(pieces, result, strict=True) if block is None]
    entry = _entries([block for block in old if id(block) not in kept], texts)
    if len(new) <= 4 or jobs < 2:
        made = iter([make_block(rows, list(map(entry, rows))) for rows in new])
        yield [block if block is not None else next(made) for block in result]
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(jobs) as pool:  # zlib and zstd let go of the interpreter
        begun: list[Block] = []
        for rows in new:
            begun.append(begin_block(rows, list(map(entry, rows)), pool))
            if len(begun) > _BEGUN:
                end_block(begun[-_BEGUN])
        made = iter(begun)
        yield [block if block is not None else next(made) for block in result]
        for block in begun:
            end_block(block)


def _cut_as_before(listed: Sequence[Row], old: Sequence[Block]) -> list[list[Row]] | None:
    """The rows in blocks as in ``old``, if their CPVs are the same, which alone say where blocks begin; else None."""
    if list(map(_CPV_OF, listed)) != [cpv for block in old for cpv in map(_CPV_OF, block.rows)]:
        return None
    ends = list(accumulate(len(block.rows) for block in old))
    return [list(listed[start:end]) for start, end in pairwise([0, *ends])]


def _says_the_same(block: Block, texts: Fresh, read: set[str]) -> bool:
    if read.isdisjoint(map(_PATH_OF, block.rows)):
        return True
    return all(texts.get(row.path, entry) == entry for row, entry in stored_entries(block))


def stored_entries(block: Block) -> list[tuple[Row, bytes]]:
    """The rows of a block with their texts. Raises DamagedStateError."""
    try:
        return list(zip(block.rows, block.entries(), strict=True))
    except (ZstdError, ValueError) as error:
        raise DamagedStateError(str(error)) from error


def changed_silently(old: Sequence[Block], listed: Sequence[Row], texts: Fresh) -> list[str]:
    """The paths of ``listed`` rows that are in ``old`` blocks too, with another entry. Raises DamagedStateError."""
    before = dict(pair for block in old for pair in stored_entries(block))
    return [row.path for row in listed if row in before and texts.get(row.path, before[row]) != before[row]]


def _entries(old: Sequence[Block], texts: Fresh) -> Callable[[Row], bytes]:
    """A function that returns the entry of a row: what was read in this run, else that of the ``old`` blocks. It raises
    DamagedStateError.
    """
    places = {row: number for number, block in enumerate(old) for row in block.rows}
    opened = lru_cache(maxsize=_OPEN)(lambda number: dict(stored_entries(old[number])))

    def entry(row: Row) -> bytes:
        if row.path in texts:
            return texts[row.path]
        if row not in places:
            raise DamagedStateError("an entry is missing")
        found: bytes = opened(places[row])[row]
        return found

    return entry
