"""PKGDIR is walked as Portage walks it, in the same order, because that order decides between equal packages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from portage_ext import limits
from portage_ext.errors import PkgdirError, UnreadablePackageError
from portage_ext.gpkg.identity import PACKAGE_SUFFIXES

Found = tuple[str, int, int, int]
"""Path relative to PKGDIR, size in bytes, mtime in ns, inode."""


@dataclass(slots=True)
class Scan:
    """Every regular file named like a package, and the directories that could not be read."""

    files: list[Found] = field(default_factory=list)
    unreadable: list[UnreadablePackageError] = field(default_factory=list)


def scan(pkgdir: Path) -> Scan:
    """Walk PKGDIR: the files of a directory in the order the system gives them, then its directories, like os.walk.

    Symbolic links are not followed and links to packages are not packages, as in Portage. Raises PkgdirError when PKGDIR
    itself cannot be read.
    """
    found = Scan()
    top = str(pkgdir)
    try:
        stack: list[Iterator[str]] = [iter(_directory(top, "", found))]
    except OSError as error:
        raise PkgdirError(top, f"cannot be read: {error.strerror}") from error
    while stack:
        relative = next(stack[-1], None)
        if relative is None:
            stack.pop()
            continue
        if len(stack) > limits.DIRECTORY_DEPTH:
            found.unreadable.append(UnreadablePackageError(relative, "nested too deeply"))
            continue
        try:
            stack.append(iter(_directory(f"{top}/{relative}", f"{relative}/", found)))
        except FileNotFoundError:
            continue  # removed since its parent was read: nothing to index
        except OSError as error:
            found.unreadable.append(UnreadablePackageError(relative, f"directory cannot be read: {error.strerror}"))
    return found


def _directory(path: str, prefix: str, found: Scan) -> list[str]:
    directories: list[str] = []
    files = found.files
    with os.scandir(path) as entries:
        for entry in entries:
            name = entry.name
            if name.endswith(PACKAGE_SUFFIXES):
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if S_ISREG(status.st_mode):
                    files.append((prefix + name, status.st_size, status.st_mtime_ns, status.st_ino))
                elif S_ISDIR(status.st_mode):
                    directories.append(prefix + name)
            elif entry.is_dir(follow_symlinks=False):
                directories.append(prefix + name)
    return directories
