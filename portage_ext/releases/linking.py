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
from stat import S_ISREG
from typing import Final

from portage_ext.records import record

_FICLONE: Final = 0x40049409
"""ioctl_ficlone(2)."""
UNLINKABLE: Final = frozenset({errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP, errno.EACCES})
_UNCLONABLE: Final = frozenset({errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY, errno.ETXTBSY, errno.ENOSYS})


@record(frozen=False)
class Placed:
    """How many files were linked, cloned and copied, and the bytes that were copied."""

    linked: int = 0
    cloned: int = 0
    copied: int = 0
    copied_bytes: int = 0

    @classmethod
    def sum(cls, parts: Iterable[Placed]) -> Placed:
        total = cls()
        for one in parts:
            total.linked += one.linked
            total.cloned += one.cloned
            total.copied += one.copied
            total.copied_bytes += one.copied_bytes
        return total


def place_all(triples: Iterable[tuple[str, str, str]], target: str) -> Placed:
    """Give files a name below ``target``; triples are (source directory, path below it, path below target).

    Missing directories are created. Raises OSError.
    """
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
        if error.errno not in UNLINKABLE:
            raise
    copy(source, target, placed)


def copy(source: str, target: str, placed: Placed) -> None:
    """Give the bytes of a file, its rights and its time to a new one, as a reflink where possible. Raises OSError."""
    with open(os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as old:
        status = os.fstat(old.fileno())
        if not S_ISREG(status.st_mode):  # reading a pipe would never end
            raise FileNotFoundError(errno.ENOENT, "is no regular file any more", source)
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
