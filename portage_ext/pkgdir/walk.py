"""PKGDIR is walked in the same order as by Portage, because that order decides between equal packages."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Final, NamedTuple

from portage_ext import limits
from portage_ext.errors import PkgdirError, UnreadablePackageError
from portage_ext.model import PACKAGE_SUFFIXES
from portage_ext.records import field, record

Found = tuple[str, int, int, int]
"""Path relative to PKGDIR, size in bytes, mtime in ns, inode."""

_SETTLED: Final = 3_000_000_000
"""Nanoseconds after which a change of a directory certainly changes its mtime, on all usual file systems."""


@record(frozen=False)
class Scan:
    """Every regular file named like a package, and the directories that could not be read."""

    files: list[Found] = field(default_factory=list)
    unreadable: list[UnreadablePackageError] = field(default_factory=list)


class _Listing(NamedTuple):
    """A directory as it was listed: its mtime and inode, its packages (relative and full path), its directories, and what the
    packages looked like the last time.
    """

    stamp: tuple[int, int] | None
    packages: list[tuple[str, str]]
    directories: list[str]
    found: list[Found]


class Walker:
    """Walks one PKGDIR, again and again. Every package is looked at each time; a directory whose time did not move since it
    was listed holds the same names and is not listed again.
    """

    def __init__(self, pkgdir: Path, *, once: bool = False) -> None:
        """``once``: there is no second walk, so nothing is kept for it."""
        self._top = str(pkgdir)
        self._once = once
        self._listings: dict[str, _Listing] = {}

    def scan(self, only: Collection[str] | None = None, *, moved: bool = False) -> Scan:
        """The files of a directory in the order the system gives them, then its directories, like os.walk.

        With ``only``, directories relative to PKGDIR, no others are looked at: what was found there before is taken again.
        ``moved``: it is also taken again in directories whose time did not move since then.

        Symbolic links are not followed and links to packages are not packages, as in Portage. Raises PkgdirError when PKGDIR
        itself cannot be read.
        """
        found = Scan()
        seen: dict[str, _Listing] = {}
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
        return found

    def _directory(self, relative: str, known: _Listing | None, *, moved: bool) -> _Listing:
        path = f"{self._top}/{relative}"
        if known is None or known.stamp is None or known.stamp != _stamp(path):
            return self._list(path, relative)
        if moved:
            return known
        lstat = os.lstat
        found: list[Found] = []
        for package, full in known.packages:
            try:
                status = lstat(full)
            except FileNotFoundError:
                continue
            if S_ISREG(status.st_mode):
                found.append((package, status.st_size, status.st_mtime_ns, status.st_ino))
        return _Listing(known.stamp, known.packages, known.directories, found)

    def _list(self, path: str, relative: str) -> _Listing:
        stamp = None if self._once else _stamp(path)
        keep = not self._once
        prefix = f"{relative}/" if relative else ""
        packages: list[tuple[str, str]] = []
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
                        if keep:
                            packages.append((prefix + name, entry.path))
                    elif S_ISDIR(status.st_mode):
                        directories.append(prefix + name)
                elif entry.is_dir(follow_symlinks=False):
                    directories.append(prefix + name)
        settled = stamp is not None and stamp[0] + _SETTLED < time.time_ns()
        return _Listing(stamp if settled else None, packages, directories, found)


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
