"""A file gets a second name without a second copy of its bytes where the file system can, and a copy where it cannot.

Hard link first; across file systems, or where links are forbidden or used up, a reflink (FICLONE); then a copy. A file
that was not linked has its bytes on the disk before anybody is told of it: the caller flushes the file system once.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

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


def place_all(pairs: Iterable[tuple[str, str, str]], target: str) -> Placed:
    """Give each (directory, path) a name at ``target``/path; triples are (source directory, path below it, path below target).

    Directories are made as they are needed. Raises OSError.
    """
    placed = Placed()
    made: set[str] = set()
    for source, path, name in pairs:
        parent = name.rpartition("/")[0]
        if parent and parent not in made:
            os.makedirs(f"{target}/{parent}", exist_ok=True)
            made.add(parent)
        place(f"{source}/{path}", f"{target}/{name}", placed)
    return placed


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
