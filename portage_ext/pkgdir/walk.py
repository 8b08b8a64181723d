"""PKGDIR is walked in the same order as by Portage, because that order decides between equal packages.

``_tree``, a small C module, looks at a whole tree at once, beside the running Python. It is not needed: it leaves every tree
with something unusual to this module, which decides.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from types import ModuleType
from typing import Final, NamedTuple

from portage_ext import limits
from portage_ext.beside import beside
from portage_ext.errors import PkgdirError, UnreadablePackageError
from portage_ext.model import PACKAGE_SUFFIXES
from portage_ext.records import field, record

Found = tuple[str, int, int, int]
"""Path relative to PKGDIR, size in bytes, mtime in ns, inode."""

_SETTLED: Final = 3_000_000_000
"""Nanoseconds after which a change of a directory certainly changes its mtime, on all usual file systems."""
_AHEAD: Final = 2.0
"""Seconds after which a scan that was made ahead no longer counts."""


@record(frozen=False)
class Scan:
    """Every regular file named like a package, and the directories that could not be read."""

    files: list[Found] = field(default_factory=list)
    unreadable: list[UnreadablePackageError] = field(default_factory=list)


class _Listing(NamedTuple):
    """A directory as it was listed: its mtime and inode (None if it may change without changing them), its directories, and its
    packages as they were when they were last looked at.
    """

    stamp: tuple[int, int] | None
    directories: list[str]
    found: list[Found]


def _nothing() -> None:
    """There is no scan to wait for."""


def _compiled() -> ModuleType | None:
    try:
        from portage_ext.pkgdir import _tree
    except ImportError:
        return None
    return _tree


class Walker:
    """Walks one PKGDIR, again and again. Every package is looked at each time; a directory whose time did not move since it
    was listed holds the same names and is not listed again.
    """

    def __init__(self, pkgdir: Path, *, once: bool = False) -> None:
        """``once``: there is no second walk, so nothing is kept for it."""
        self.pkgdir = pkgdir
        self._top = str(pkgdir)
        self._once = once
        self._begun: Callable[[], None] = _nothing
        self._listings: dict[str, _Listing] = {}
        self._ahead = -_AHEAD
        self._usual = True

    @contextmanager
    def looking_ahead(self, wanted: bool = True) -> Iterator[None]:
        """Scan in a thread, so that a :meth:`scan` in this block, which waits for it, looks only into directories that changed
        since. Not without the C module, and not if it is not ``wanted``.
        """
        if not (wanted and self.beside):
            yield
            return
        with beside(self.look_ahead) as looked:
            self._begun = looked
            yield

    def look_ahead(self) -> None:
        """Scan, so that a scan that follows at once looks only into directories that changed since. No error is raised."""
        compiled = _compiled()
        if compiled is not None and self._whole(compiled) is not None:
            self._ahead = time.monotonic()

    @property
    def beside(self) -> bool:
        """Whether a first :meth:`scan` in a thread leaves the interpreter to others."""
        return _compiled() is not None

    def scan(self, only: Collection[str] | None = None, *, moved: bool = False) -> Scan:
        """The files of a directory in the order the system gives them, then its directories, like os.walk.

        With ``only``, directories relative to PKGDIR, no others are looked at: what was found there before is taken again.
        ``moved``: it is also taken again in directories whose time did not move since then.

        Symbolic links are not followed and links to packages are not packages, as in Portage. Raises PkgdirError when PKGDIR
        itself cannot be read.
        """
        begun, self._begun = self._begun, _nothing
        begun()
        moved = moved or time.monotonic() < self._ahead + _AHEAD
        compiled = _compiled() if only is None else None
        if compiled is not None:
            # What could not be listed before is named again by a scan of everything only.
            whole = self._moved(compiled) if moved and self._listings and self._usual else self._whole(compiled)
            if whole is not None:
                return whole
        found = Scan()
        seen: dict[str, _Listing] = {}
        if only is not None and self._usual and (again := self._relisted(only, moved=moved)) is not None:
            return again
        stack = [""]
        while stack:
            relative = stack.pop()
            try:
                known = self._listings.get(relative)
                if known is not None and only is not None and relative not in only:
                    listing = known
                else:
                    listing = self._directory(relative, known, moved=moved)
            except FileNotFoundError:
                if relative:
                    continue  # removed since its parent was read: nothing to index
                raise PkgdirError(self._top, "no such directory") from None
            except OSError as error:
                if not relative:
                    raise PkgdirError(self._top, f"cannot be read: {error.strerror}") from error
                reason = f"directory cannot be read: {error.strerror}"
                found.unreadable.append(UnreadablePackageError(relative, reason))
                continue
            if not self._once:
                seen[relative] = listing
            found.files += listing.found
            if relative.count("/") >= limits.DIRECTORY_DEPTH:
                found.unreadable.append(UnreadablePackageError(relative, "nested too deeply"))
            else:
                stack.extend(listing.directories[::-1])
        self._listings = seen
        self._usual = not found.unreadable
        return found

    def _relisted(self, only: Collection[str], *, moved: bool) -> Scan | None:
        """A scan that looks only into these directories; None if others came or went."""
        for path in only:
            known = self._listings.get(path)
            if known is None:
                return None
            if not self._again(path, known, partial(self._directory, path, known, moved=moved)):
                return None
        return self._all()

    def _all(self) -> Scan:
        found = Scan()
        for listing in self._listings.values():
            found.files += listing.found
        return found

    def _whole(self, compiled: ModuleType) -> Scan | None:
        started = time.time_ns()
        listed = compiled.listed(self._top, PACKAGE_SUFFIXES, limits.DIRECTORY_DEPTH)
        if listed is None:
            return None
        found = Scan()
        before = started - _SETTLED
        self._listings = {}
        self._usual = True
        for path, stamp, directories, files in listed:
            self._listings[path] = _Listing(stamp if stamp[0] < before else None, directories, files)
            found.files += files
        return found

    def _moved(self, compiled: ModuleType) -> Scan | None:
        """A scan that looks into directories that changed; None if something is not as usual."""
        now = compiled.stamps(self._top, list(self._listings))
        for (path, known), stamp in zip(list(self._listings.items()), now, strict=True):
            if stamp is not None and known.stamp == stamp:
                continue
            if not self._again(path, known, partial(self._list, f"{self._top}/{path}", path)):
                return None
        return self._all()

    def _again(self, path: str, known: _Listing, look: Callable[[], _Listing]) -> bool:
        """Take what ``look`` finds in a directory; False if it fails, or if directories came or went there."""
        try:
            listing = look()
        except OSError:
            return False
        if listing.directories != known.directories:
            return False
        self._listings[path] = listing
        return True

    def _directory(self, relative: str, known: _Listing | None, *, moved: bool) -> _Listing:
        path = f"{self._top}/{relative}"
        if known is None or known.stamp is None or known.stamp != _stamp(path):
            return self._list(path, relative)
        if moved:
            return known
        lstat = os.lstat
        found: list[Found] = []
        for package, *_ in known.found:
            try:
                status = lstat(f"{self._top}/{package}")
            except FileNotFoundError:
                continue
            if S_ISREG(status.st_mode):
                found.append((package, status.st_size, status.st_mtime_ns, status.st_ino))
        return _Listing(known.stamp, known.directories, found)

    def _list(self, path: str, relative: str) -> _Listing:
        stamp = None if self._once else _stamp(path)
        prefix = f"{relative}/" if relative else ""
        directories: list[str] = []
        found: list[Found] = []
        with os.scandir(path) as entries:
            for entry in entries:
                name = entry.name
                if name.endswith(PACKAGE_SUFFIXES):
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if S_ISREG(status.st_mode):
                        found.append((prefix + name, status.st_size, status.st_mtime_ns, status.st_ino))
                    elif S_ISDIR(status.st_mode):
                        directories.append(prefix + name)
                elif entry.is_dir(follow_symlinks=False):
                    directories.append(prefix + name)
        settled = stamp is not None and stamp[0] + _SETTLED < time.time_ns()
        return _Listing(stamp if settled else None, directories, found)


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def above(path: str) -> Iterator[Sequence[str]]:
    """The directories above ``path``, up to PKGDIR itself, because a new package may have a new directory."""
    parts = path.split("/")[:-1]
    return (parts[:length] for length in range(len(parts) + 1))
