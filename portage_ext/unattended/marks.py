"""Before a run changes a PKGDIR it leaves a mark. The mark stays until a worker has processed the PKGDIR, so none is forgotten.

A mark is a file that contains the PKGDIR, below ``<root>/var/lib/portage-ext/after-emerge``. Its run holds a lock on it as long
as it lives. When the run ends, for whatever reason, the lock is released. A worker takes the marks that nobody holds, processes
their PKGDIRs, and then removes exactly these marks.

Only one worker runs at a time. A worker that finds another one running may leave after a while, because the running worker
looks for new marks again after it has released its lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext import files, locks

LATER: Final = "PORTAGE_EXT_AFTER_EMERGE"
"""A variable in the environment of emerge. With the value ``later``, emerge leaves the work after it to the caller."""
NOT_TOLD: Final = 75
"""The exit status of a process that was started before the end of an emerge (tasks/ahead) and has not begun to work."""
MARKS_DIRECTORY: Final = "var/lib/portage-ext/after-emerge"
_LOCK: Final = "lock"
_PREFIX: Final = "run."
_STALE: Final = 60
"""Seconds after which a mark without its final name counts as left by a run that died while writing it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark whose run has ended: the file, and the PKGDIR that the run may have changed."""

    path: Path
    pkgdir: Path


class HeldMark:
    """The mark of this run. Its lock is not shared with forked children and ends with this process."""

    def __init__(self, root: Path, pkgdir: Path) -> None:
        """Leave a mark for ``pkgdir`` below ``root``; it is on the disk when this returns. Raises OSError."""
        directory = root / MARKS_DIRECTORY
        files.make_directory(directory)
        fd, name = tempfile.mkstemp(prefix=files.TEMPORARY_PREFIX, dir=directory)
        self._fd = fd
        try:
            # It gets its name only after it is locked, so that no worker takes it before its run has ended.
            fcntl.lockf(fd, fcntl.LOCK_EX)
            os.write(fd, os.fsencode(pkgdir))
            os.fsync(fd)
            os.rename(name, directory / f"{_PREFIX}{os.getpid()}.{name.rpartition('.')[2]}")
            files.sync_directory(directory)
        except BaseException:  # also an interrupt leaves no file; it is raised again
            self.release()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
            raise

    def release(self) -> None:
        """Release the mark, because this run changes nothing any more. The next worker processes it."""
        os.close(self._fd)


def free(root: Path) -> list[Mark]:
    """The marks below ``root`` whose runs have ended. Not for a process that holds one itself. Raises OSError."""
    directory = root / MARKS_DIRECTORY
    try:
        names = sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
    found: list[Mark] = []
    for name in names:
        path = directory / name
        with contextlib.suppress(FileNotFoundError):
            if name.startswith(files.TEMPORARY_PREFIX) and path.stat().st_mtime + _STALE < time.time():
                path.unlink()
            elif name.startswith(_PREFIX) and (text := _unheld(path)) is not None:
                found.append(Mark(path, Path(os.fsdecode(text))))
    return found


def _unheld(path: Path) -> bytes | None:
    """The content of the mark at ``path``; None if its run is still alive."""
    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return None
        return file.read()


def remove(marks: Iterable[Mark]) -> None:
    """Remove ``marks`` after their work is done. Raises OSError."""
    for mark in marks:
        mark.path.unlink(missing_ok=True)


@contextlib.contextmanager
def working(root: Path, wait: float) -> Iterator[bool]:
    """Become the only worker below ``root``; yields False if another worker has been running for ``wait`` seconds.

    Raises LockError, OSError.
    """
    directory = root / MARKS_DIRECTORY
    files.make_directory(directory)
    with locks.tried(directory / _LOCK, wait) as lock:
        yield lock is not None
