"""Decide what a run must do from the files that were found, the known state, and the packages that were read. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Final

from zstandard import ZstdError

from portage_ext import errors
from portage_ext.errors import EmptyPackageError, MassRemovalError, PackageError
from portage_ext.gpkg.source import FileStamp
from portage_ext.index.blocks import Block, Row, cut, make_block
from portage_ext.pkgdir.cache import Aside, DamagedStateError, State
from portage_ext.pkgdir.entry import Indexed, LeftOut, Outcome
from portage_ext.pkgdir.walk import Found
from portage_ext.policy.losses import loses_most, lost_packages
from portage_ext.records import field, record

_PATH_OF: Final = itemgetter(Row._fields.index("path"))


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


def survey(files: Sequence[Found], known: Mapping[str, Row], aside: Mapping[str, Aside], *, everything: bool) -> Survey:
    """Compare the files with the known state: a file is read if its size, mtime or inode has changed."""
    if everything:
        return Survey(files, known, [file[0] for file in files], {})
    todo: list[str] = []
    still: dict[str, Aside] = {}
    get = known.get
    for file in [file for file in files if (row := get(file[0])) is None or row[:4] != file]:
        before = aside.get(file[0])
        if before is not None and before.stamp == FileStamp(*file[1:]):
            still[file[0]] = before
        else:
            todo.append(file[0])
    return Survey(files, known, todo, still)


def pending(survey: Survey, ready: Mapping[str, tuple[FileStamp, Outcome]]) -> list[str]:
    """The paths to read: those to do that are not ``ready``, or changed since they were read."""
    stamps_now = {file[0]: FileStamp(*file[1:]) for file in survey.files} if ready else {}
    return [path for path in survey.todo if path not in ready or ready[path][0] != stamps_now[path]]


@record(frozen=False)
class Sorted:
    """The outcome of a run before it is written: rows in the order of the walk, texts of the new ones, what was left out."""

    rows: list[Row] = field(default_factory=list)
    texts: dict[str, bytes] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)


def sort_outcomes(survey: Survey, outcomes: Mapping[str, Outcome]) -> Sorted:
    """Replace known values by those that were read. Files that vanished in the meantime have no outcome and are dropped."""
    result = Sorted()
    known = survey.known
    fresh: dict[str, Row] = {}
    for path in survey.todo:
        outcome = outcomes.get(path)
        if isinstance(outcome, Indexed):
            fresh[path] = outcome.row
            result.texts[path] = outcome.entry
        elif outcome is not None:
            result.left_out.append(outcome)
    gone = {*survey.todo, *survey.aside} - fresh.keys()
    result.rows = [fresh.get(file[0]) or known[file[0]] for file in survey.files if file[0] not in gone]
    return result


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


def build_blocks(listed: Sequence[Row], old: Sequence[Block], texts: Mapping[str, bytes], jobs: int) -> list[Block]:
    """The blocks of the index: those of ``old`` whose rows are the same and were not read again, and new ones.

    ``texts`` has the entries that were read in this run; the others come from the old blocks. Raises DamagedStateError when
    they are not there.
    """
    by_first = {block.rows[0].path: block for block in old}
    pieces = cut(listed)
    result: list[Block | None] = []
    kept: set[int] = set()
    for rows in pieces:
        block = by_first.get(rows[0].path)
        if block is not None and block.rows == rows and _says_the_same(block, texts):
            kept.add(id(block))
            result.append(block)
        else:
            result.append(None)
    new = [rows for rows, block in zip(pieces, result, strict=True) if block is None]
    entries = _entries(new, [block for block in old if id(block) not in kept], texts)

    def make(rows: Sequence[Row]) -> Block:
        return make_block(rows, [entries[row.path] for row in rows])

    if len(new) > 4 and jobs > 1:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(jobs) as pool:  # zlib and zstd let go of the interpreter
            made = iter(list(pool.map(make, new)))
    else:
        made = iter([make(rows) for rows in new])
    return [block if block is not None else next(made) for block in result]


def _says_the_same(block: Block, texts: Mapping[str, bytes]) -> bool:
    if not texts or texts.keys().isdisjoint(map(_PATH_OF, block.rows)):
        return True
    return all(texts.get(row.path, entry) == entry for row, entry in stored_entries(block))


def stored_entries(block: Block) -> list[tuple[Row, bytes]]:
    """The rows of a block with their texts. Raises DamagedStateError."""
    try:
        return list(zip(block.rows, block.entries(), strict=True))
    except (ZstdError, ValueError) as error:
        raise DamagedStateError(str(error)) from error


def _entries(
    pieces: Iterable[Sequence[Row]],
    old: Iterable[Block],
    texts: Mapping[str, bytes],
) -> dict[str, bytes]:
    wanted = {row.path: row for rows in pieces for row in rows}
    entries = {path: texts[path] for path in wanted if path in texts}
    if len(entries) < len(wanted):
        for block in old:
            if any(row.path in wanted and row.path not in entries for row in block.rows):
                for row, entry in stored_entries(block):
                    if wanted.get(row.path) == row:
                        entries.setdefault(row.path, entry)
    if len(entries) < len(wanted):
        raise DamagedStateError("an entry is missing")
    return entries
