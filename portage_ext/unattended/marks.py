"""Before a run changes a PKGDIR it leaves a mark, and the mark stays until somebody has worked after it: nothing is forgotten.

A mark is a file with the name of the PKGDIR, below ``<root>/var/lib/portage-ext/after-emerge``, on which its run holds a lock
as long as it lives. The lock goes when the run ends, however it ends; the mark goes when a worker, who looked at the PKGDIR
after that, is done. So a worker takes the marks that nobody holds, works, and removes those that it took, and no others.

One worker works at a time. Who finds another at work after a while may leave: the other looks for new marks once more after it
has let go of its own lock.
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

MARKS_DIRECTORY: Final = "var/lib/portage-ext/after-emerge"
_LOCK: Final = "lock"
_PREFIX: Final = "run."
_STALE: Final = 60
"""Seconds after which a mark that never got its name was left by a run that died over it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark that nobody holds: the file, and the PKGDIR that its run may have changed."""

    path: Path
    pkgdir: Path


class HeldMark:
    """The mark of this run. The lock is one that a forked child does not share and that goes with this process."""

    def __init__(self, root: Path, pkgdir: Path) -> None:
        """Leave a mark for ``pkgdir`` below ``root``; it is on the disk when this returns. Raises OSError."""
        directory = root / MARKS_DIRECTORY
        files.make_directory(directory)
        fd, name = tempfile.mkstemp(prefix=files.TEMPORARY_PREFIX, dir=directory)
        self._fd = fd
        try:
            # Under its name only when it is held: nobody ever sees it free before its run has ended.
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
        """This run changes nothing any more: whoever works next works for it too."""
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
    """What is written in the mark at ``path``, None when its run lives."""
    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return None
        return file.read()


def remove(marks: Iterable[Mark]) -> None:
    """The work after ``marks`` is done. Raises OSError."""
    for mark in marks:
        mark.path.unlink(missing_ok=True)


@contextlib.contextmanager
def working(root: Path, wait: float) -> Iterator[bool]:
    """Be the one worker below ``root``; yields False when another is, and was for ``wait`` seconds.

    Raises LockError, OSError.
    """
    directory = root / MARKS_DIRECTORY
    files.make_directory(directory)
    with locks.tried(directory / _LOCK, wait) as lock:
        yield lock is not None
