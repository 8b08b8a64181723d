"""A file gets a second name, as a hard link if possible, else as a reflink (FICLONE), else as a copy.

Hard links fail across file systems, where they are forbidden, and at their maximum number. The data of a file that was not
linked must be on disk before its name is published: the caller flushes the file system once.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from portage_ext import limits

_FICLONE: Final = 0x40049409
"""ioctl_ficlone(2)."""
_UNLINKABLE: Final = frozenset({errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP, errno.EACCES})
_UNCLONABLE: Final = frozenset({errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY, errno.ETXTBSY, errno.ENOSYS})


@dataclass(slots=True)
class Placed:
    """How many files were linked, cloned and copied, and the bytes that were copied."""

    linked: int = 0
    cloned: int = 0
    copied: int = 0
    copied_bytes: int = 0


def place_all(triples: Iterable[tuple[str, str, str]], target: str) -> Placed:
    """Give files a name below ``target``; triples are (source directory, path below it, path below target).

    Missing directories are created. Many files are placed by several threads, each with its own top-level directories,
    because the kernel does the work. Raises OSError after all threads have stopped.
    """
    groups: dict[str, list[tuple[str, str, str]]] = {}
    total = 0
    for triple in triples:
        total += 1
        groups.setdefault(triple[2].partition("/")[0], []).append(triple)
    if total < limits.PLACE_TOGETHER_FROM:
        parts = [_place_group(group, target) for group in groups.values()]
    else:
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            parts = list(pool.map(lambda group: _place_group(group, target), groups.values()))
    return Placed(
        sum(one.linked for one in parts),
        sum(one.cloned for one in parts),
        sum(one.copied for one in parts),
        sum(one.copied_bytes for one in parts),
    )


def _place_group(triples: Iterable[tuple[str, str, str]], target: str) -> Placed:
    placed = Placed()
    made: set[str] = set()
    for source, path, name in triples:
        parent = name.rpartition("/")[0]
        if parent and parent not in made:
            _make(target, parent, made)
        place(f"{source}/{path}", f"{target}/{name}", placed)
    return placed


def _make(target: str, directory: str, made: set[str]) -> None:
    above = directory.rpartition("/")[0]
    if above and above not in made:
        _make(target, above, made)
    with contextlib.suppress(FileExistsError):
        os.mkdir(f"{target}/{directory}", 0o755)
    made.add(directory)


def place(source: str, target: str, placed: Placed) -> None:
    """Give one file a second name. Raises OSError."""
    try:
        os.link(source, target, follow_symlinks=False)
        placed.linked += 1
        return
    except OSError as error:
        if error.errno not in _UNLINKABLE:
            raise
    _copy(source, target, placed)


def _copy(source: str, target: str, placed: Placed) -> None:
    with open(os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as old:
        status = os.fstat(old.fileno())
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as new:
            try:
                fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
                placed.cloned += 1
            except OSError as error:
                if error.errno not in _UNCLONABLE:
                    raise
                shutil.copyfileobj(old, new, 1 << 20)
                placed.copied += 1
                placed.copied_bytes += status.st_size
            new.flush()
            os.fchmod(new.fileno(), status.st_mode & 0o777)
            os.utime(new.fileno(), ns=(status.st_mtime_ns, status.st_mtime_ns))
