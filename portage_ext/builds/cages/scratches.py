"""Temporary files of a run are in a scratch directory whose lock the run holds; the next run deletes those of dead runs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from portage_ext import files, locks
from portage_ext.builds.cages import isolation
from portage_ext.builds.places import Places
from portage_ext.limits import builds as limits


@contextlib.contextmanager
def scratch(places: Places) -> Iterator[Path]:
    """Give a scratch directory whose lock this process holds. It contains the directories ``layer`` and ``root``."""
    files.make_directory(places.scratch, 0o700)
    with locks.held(places.scratch / ".lock", limits.LEDGER_WAIT):
        directory = places.scratch / f"{os.getpid()}.{os.urandom(4).hex()}"
        directory.mkdir(0o700)
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        for name in ("layer", "root"):
            (directory / name).mkdir()
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(fd)


def clear(places: Places) -> set[str]:
    """Delete what dead processes left below ``places``. Returns the names of scratch directories in use. Raises OSError."""
    files.make_directory(places.scratch, 0o700)
    with locks.held(places.scratch / ".lock", limits.LEDGER_WAIT):
        every = [directory for directory in places.scratch.iterdir() if directory.is_dir()]
        living = {directory.name for directory in every if _is_held(directory)}
        for directory in every:
            if directory.name not in living:
                shutil.rmtree(directory)
    isolation.clear()
    return living


def _is_held(directory: Path) -> bool:
    """Whether a running process holds the lock of the scratch directory."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
