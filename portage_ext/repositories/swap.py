"""A repository is replaced as a whole: a reader sees the old or the new one, also if the run is killed.

The new content is written to a directory beside the repository, and both are exchanged by one rename (renameat2,
RENAME_EXCHANGE). Nothing is written if the content is the same. An unchanged file keeps its modification time, because Portage
applies package moves again if the time of a file in profiles/updates changes.

If the file system cannot exchange two directories, two renames are done. A run that is killed between them leaves the
repository as ``.NAME.portage-ext.old``, and the next run restores it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext import files
from portage_ext.errors.repositories import RepositoryError
from portage_ext.limits import repositories as limits
from portage_ext.repositories.user import User

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2
_CANNOT_EXCHANGE: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.EXDEV, errno.EPERM})


@dataclass(frozen=True, slots=True)
class File:
    """A file of a repository."""

    data: bytes
    executable: bool = False


Contents = Mapping[str, File]
"""A whole repository: the relative path of each file, and its content."""


def replace(location: Path, contents: Contents, user: User | None = None) -> bool:
    """Replace the repository at ``location`` with ``contents``. Returns False and writes nothing if it already has this
    content.

    Raises RepositoryError if ``location`` cannot be replaced, OSError if the new content cannot be written.
    """
    recover(location)
    before = read(location)
    if before is not None and before == contents:
        return False
    staging = _beside(location, "new")
    staging.mkdir(mode=0o700)
    try:
        _write(staging, contents, user, location if before is not None else None, before or {})
        files.sync_filesystem(staging)
        _take(staging, location)
    finally:
        _remove(staging)
    return True


def recover(location: Path) -> None:
    """Repair the state that a killed run has left. Raises OSError."""
    old = _beside(location, "old")
    if old.is_dir() and not old.is_symlink():
        if not location.exists() or (location.is_dir() and not any(location.iterdir())):
            os.rename(old, location)
        else:
            _remove(old)
    _remove(_beside(location, "new"))


def read(location: Path) -> dict[str, File] | None:
    """Read all files at ``location``; None if it is no directory, or has anything that our repositories never have."""
    found: dict[str, File] = {}
    left = limits.REPOSITORY_SIZE
    if not location.is_dir():
        return None
    for directory, _, names in os.walk(location, onerror=_raise):
        for name in names:
            path = Path(directory, name)
            status = path.lstat()
            left -= status.st_size
            if not stat.S_ISREG(status.st_mode) or left < 0:
                return None
            found[path.relative_to(location).as_posix()] = File(path.read_bytes(), bool(status.st_mode & stat.S_IXUSR))
    return found


def _raise(error: OSError) -> None:
    raise error


def _beside(location: Path, word: str) -> Path:
    return location.with_name(f".{location.name}.portage-ext.{word}")


def _write(staging: Path, contents: Contents, user: User | None, old: Path | None, before: Contents) -> None:
    umask = user.umask if user is not None else 0o022
    made: set[Path] = set()
    for name, file in contents.items():
        path = staging / name
        for parent in reversed(path.relative_to(staging).parents[:-1]):
            if (directory := staging / parent) not in made:
                directory.mkdir()
                made.add(directory)
        path.write_bytes(file.data)
        _settle(path, (0o755 if file.executable else 0o644) & ~umask, user)
        if old is not None and before.get(name) == file:
            status = (old / name).stat()
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    for directory in (*made, staging):
        _settle(directory, 0o755 & ~umask, user)


def _settle(path: Path, mode: int, user: User | None) -> None:
    if user is not None and os.geteuid() == 0:
        os.chown(path, user.uid, user.gid)
    path.chmod(mode)


def _take(staging: Path, location: Path) -> None:
    """Rename ``staging`` to ``location``. The old directory is then at ``staging``, or removed."""
    try:
        if not location.exists() or not any(location.iterdir()):
            os.rename(staging, location)
        elif not _exchanged(staging, location):
            old = _beside(location, "old")
            os.rename(location, old)
            os.rename(staging, location)
            _remove(old)
        files.sync_directory(location.parent)
    except OSError as error:
        raise RepositoryError(
            str(location),
            f"it cannot be replaced by a rename in {location.parent} ({error.strerror})",
            "Let the location be a directory of its own, no mount point, in a directory that the sync may write to",
        ) from error


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two directories in one step. Returns False if this system cannot do that. Raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    call = getattr(library, "renameat2", None)
    if call is None:
        return False
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), str(other))


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)
