"""A file of the pool is added once, checked before it is used again, and removed when nothing names it any more.

A known file has the size and the time that the index says; any other file is compared by its whole digest. A damaged file is
replaced by one rename, so readers see the old or the new one. The caller holds the lock of the tree, and flushes the file
system before a release is named.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_ISREG
from typing import Final

from portage_ext import limits
from portage_ext.errors.releases import PoolNameError, TreeError
from portage_ext.files import TEMPORARY_PREFIX
from portage_ext.model.digest import STRONG
from portage_ext.model.release import PLAIN_FORM, POOL
from portage_ext.records import record
from portage_ext.releases.blocks import recorded, value
from portage_ext.releases.linking import UNLINKABLE, Placed, copy
from portage_ext.releases.note import NOTE_NAME, read_note
from portage_ext.releases.pool.names import number

JOURNAL: Final = ".added"
"""In a release in the making: the names that are added to the pool for it, written before the first is added."""
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9+_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9+_.-]*){1,2}", re.ASCII)
_LISTED: Final = re.compile(rb"^PATH: (.*)$", re.M)


@record
class Wanted:
    """The file at ``source`` shall have the name ``name``; ``text`` is its entry, empty if there is none.

    ``exact``: the file must have the size and time of the entry, because it may be replaced at any time.
    """

    source: str
    name: str
    text: bytes
    exact: bool = False


class ReplacedError(Exception):
    """A file is gone or is another one than its entry says."""


class Pool:
    """The pool of the tree at ``root``."""

    def __init__(self, root: Path) -> None:
        self.directory = root / POOL
        self._top = str(self.directory)

    def path(self, name: str) -> str:
        return f"{self._top}/{name}"

    def has(self, name: str) -> bool:
        return os.path.lexists(f"{self._top}/{name}")

    def unsound(self, entries: Iterable[tuple[str, bytes]]) -> list[str]:
        """The names of those files that are missing or are not what their entries say."""
        top, stat = self._top, os.lstat
        found: list[str] = []
        for name, text in entries:
            try:
                status = stat(f"{top}/{name}")
            except OSError:
                found.append(name)
                continue
            known = b"\nMTIME: %d\n" % status.st_mtime in text and b"\nSIZE: %d\n" % status.st_size in text
            if not known and not self.sound(name, text):
                found.append(name)
        return found

    def others(self, record: bytes) -> list[str]:
        """The names in ``record`` (releases/blocks) whose files are missing or have another size or time than it says.

        With the C module ``_look``, this takes a third of the time, and lets go of the interpreter (ADR 1032).
        """
        try:
            from portage_ext.releases.pool._look import others
        except ImportError:
            others = _others
        return [line.partition(b" ")[0].decode() for line in others(self._top, record)]

    def link(self, release: Path, categories: Iterable[str]) -> None:
        """Make the packages of ``categories`` reachable below ``release``, by a link for each category."""
        for category in sorted(categories):
            os.symlink(f"../../{POOL}/{category}", release / category)

    def add(self, wanted: Iterable[Wanted], release: Path) -> Placed:
        """Add files for the ``release`` in the making. Many are added by several threads, because the kernel does the work.

        Raises ReplacedError, PoolNameError, TreeError, OSError.
        """
        groups: dict[str, list[Wanted]] = {}
        for one in wanted:
            if not _NAME.fullmatch(one.name):
                raise TreeError(one.source, f"{one.name} is not a name in the pool")
            groups.setdefault(one.name.rpartition("/")[0], []).append(one)
        total = sum(map(len, groups.values()))
        if not total:
            return Placed()
        self._record(release, [one.name for group in groups.values() for one in group])
        if total < limits.PLACE_TOGETHER_FROM:
            return Placed.sum(map(self._add_group, groups.items()))
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
            return Placed.sum(threads.map(self._add_group, groups.items()))

    def added(self, release: Path) -> None:
        """The release has everything that it needs: from now on its index says what this is. Raises OSError."""
        (release / JOURNAL).unlink(missing_ok=True)

    def remove(self, names: Iterable[str]) -> None:
        """Remove files, what a killed run left of them, and the directories that become empty. Raises OSError."""
        emptied: set[str] = set()
        for name in filter(_NAME.fullmatch, names):
            directory, _, file = name.rpartition("/")
            for path in (f"{self._top}/{name}", f"{self._top}/{directory}/{TEMPORARY_PREFIX}{file}"):
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    os.unlink(path)
            emptied.add(directory)
        for directory in sorted(emptied | {one.partition("/")[0] for one in emptied}, reverse=True):
            with contextlib.suppress(OSError):
                os.rmdir(f"{self._top}/{directory}")
        with contextlib.suppress(OSError):
            os.rmdir(self._top)

    def every(self) -> Iterator[str]:
        """The names of all files, also of those that nothing names."""
        for directory, _, files in os.walk(self._top):
            for name in files:
                yield f"{directory}/{name}"[len(self._top) + 1 :]

    # --- the steps

    def _record(self, release: Path, names: list[str]) -> None:
        """Write the journal to the disk, so that a killed run leaves no file that nobody knows."""
        with (release / JOURNAL).open("w") as file:
            file.write("\n".join(names))
            file.flush()
            os.fsync(file.fileno())

    def _add_group(self, group: tuple[str, list[Wanted]]) -> Placed:
        directory, wanted = group
        placed = Placed()
        os.makedirs(f"{self._top}/{directory}", 0o755, exist_ok=True)
        for one in wanted:
            try:
                self._add(one, placed)
            except FileNotFoundError as error:
                raise ReplacedError(one.source) from error
        return placed

    def _add(self, one: Wanted, placed: Placed) -> None:
        target = f"{self._top}/{one.name}"
        try:
            os.link(one.source, target, follow_symlinks=False)
            placed.linked += 1
        except OSError as error:
            if error.errno not in UNLINKABLE and not isinstance(error, FileExistsError):
                raise
            if not os.path.lexists(target):
                self._put(one.source, target, placed)
            elif not self._same(one.source, target):
                if self.sound(one.name, one.text, as_dated=True):
                    return
                if self._another(one):
                    raise PoolNameError(one.source, target) from None
                self._put(one.source, target, placed)
        if one.exact and not self._dated(target, one.text):
            raise ReplacedError(one.source)

    def _put(self, source: str, target: str, placed: Placed) -> None:
        """Link or copy under another name first: a name in the pool never has half of a file."""
        directory, _, file = target.rpartition("/")
        partial = f"{directory}/{TEMPORARY_PREFIX}{file}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
        try:
            os.link(source, partial, follow_symlinks=False)
            placed.linked += 1
        except OSError as error:
            if error.errno not in UNLINKABLE:
                raise
            copy(source, partial, placed)
        os.replace(partial, target)

    def _same(self, source: str, target: str) -> bool:
        one, other = os.lstat(source), os.lstat(target)
        return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)

    def _dated(self, path: str, text: bytes) -> bool:
        """Whether the file has the size and the time that its entry says."""
        status = os.lstat(path)
        said = value(text, b"SIZE: "), value(text, b"MTIME: ")
        return said == (b"%d" % status.st_size, b"%d" % (status.st_mtime_ns // 10**9))

    def sound(self, name: str, text: bytes, *, as_dated: bool = False) -> bool:
        """Whether the file has the digest of its entry; ``as_dated``: and its time."""
        path = self.path(name)
        key = next((one for one in STRONG if value(text, one.encode() + b": ")), None)
        if key is None or (as_dated and not self._dated(path, text)):
            return False
        with contextlib.suppress(OSError):
            return _digest(path, key) == value(text, key.encode() + b": ").decode("ascii", "replace").lower()
        return False

    def _another(self, one: Wanted) -> bool:
        """Whether the name belongs to a sound file with other bytes."""
        path, stated = self.path(one.name), one.name.rpartition("-")[2].partition(".")[0]
        said = next((key for key in STRONG if value(one.text, key.encode() + b": ")), None)
        if said is None:  # a name of the former form says nothing of the bytes
            return True
        try:
            digest = _digest(path, said)
        except OSError:
            return False
        return digest != value(one.text, said.encode() + b": ").decode("ascii", "replace").lower() and stated == str(
            number(digest)
        )


def names_of(release: Path, *, lenient: bool = False) -> set[str]:
    """The names that a release, also an unfinished one, needs. Raises TreeError (not if ``lenient``), OSError."""
    found = recorded(release)
    if found is None:
        found = set()
        with contextlib.suppress(FileNotFoundError):
            found |= {one.decode("utf-8", "replace") for one in _LISTED.findall((release / PLAIN_FORM).read_bytes())}
    with contextlib.suppress(*([TreeError] if lenient else [])):
        found |= read_note(release / NOTE_NAME, 0).carried.keys()
    with contextlib.suppress(FileNotFoundError):
        found.update((release / JOURNAL).read_text().split("\n"))
    return found


def in_pool(release: Path, entries: Mapping[str, bytes]) -> bool:
    """Whether the files of a release are in the pool. Before there was one, each release had them as links of its own."""
    first = next(iter(entries), None)
    return first is None or (release / first.partition("/")[0]).is_symlink()


def _others(top: str, record: bytes) -> list[bytes]:
    """As ``_look.others``."""
    found: list[bytes] = []
    directory, stat = os.fsencode(top), os.lstat
    lines = record.split(b"\n")
    for line in lines if lines[-1] else lines[:-1]:
        name = line.partition(b" ")[0]
        try:
            status = stat(b"%s/%s" % (directory, name))
        except (OSError, ValueError):
            found.append(line)
            continue
        said = b"%s %d %d" % (name, status.st_size, status.st_mtime_ns // 10**9)
        if line != said or name.startswith(b"/"):
            found.append(line)
    return found


def _digest(path: str, name: str) -> str:
    # Nobody may write to a pipe in the place of a file, so that opening or reading it would never end.
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is no regular file", path)
        return hashlib.file_digest(file, name.lower()).hexdigest()
