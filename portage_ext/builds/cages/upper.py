"""Files written over an environment are copied out of the cage, so that later cages can use the copy as a layer.

This runs in the first process of a cage, with its rights, after all other processes there are dead. The files that it reads are
untrusted. So it follows no links, copies no devices except the whiteouts of overlayfs (marks for removed files), and has
limits. It uses only the standard library.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import IO, Final

_OPAQUE: Final = "trusted.overlay.opaque"
_ATTRIBUTES: Final = (_OPAQUE, "security.capability")
_DEPTH: Final = 64
_ENTRIES: Final = 2_000_000
_BLOCK: Final = 1 << 20


class Copying:
    """Copies directories within limits: ``left`` more bytes and ``entries`` more files and directories."""

    def __init__(self, left: int, entries: int = _ENTRIES) -> None:
        self.left, self.entries = left, entries

    def directory(self, source: int, target: int, depth: int = 0) -> None:
        """Copy the content of the directory ``source`` into ``target``. Both are descriptors. Raises OSError."""
        if depth > _DEPTH:
            raise OSError("its directories are too deep")
        for name in sorted(os.listdir(source)):
            self.entries -= 1
            if self.entries < 0:
                raise OSError(f"it has more than {_ENTRIES} files")
            self._entry(source, target, name, depth)

    def _entry(self, source: int, target: int, name: str, depth: int) -> None:
        found = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            os.mkdir(name, 0o700, dir_fd=target)
            fds = [os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd) for fd in (source, target)]
            try:
                self.directory(fds[0], fds[1], depth + 1)
                _same(fds[0], fds[1], found)
            finally:
                for fd in fds:
                    os.close(fd)
        elif stat.S_ISREG(found.st_mode):
            self._file(source, target, name)
        elif stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            os.chown(name, found.st_uid, found.st_gid, dir_fd=target, follow_symlinks=False)
        elif stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=target)  # a whiteout of overlayfs: the file was removed
        elif not stat.S_ISSOCK(found.st_mode):
            raise OSError(f"{name} is a device or a pipe")

    def _file(self, source: int, target: int, name: str) -> None:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=source)
        with open(fd, "rb") as file:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(f"{name} is no regular file")
            self.left -= found.st_size
            if self.left < 0:
                raise OSError("it is larger than its bound")
            copy = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=target)
            with open(copy, "wb") as out:
                copy_all(file, out)
                out.flush()
                _same(fd, copy, found)


def copy_all(source: IO[bytes], target: IO[bytes]) -> None:
    """As shutil.copyfileobj; importing shutil takes longer than copying."""
    while block := source.read(_BLOCK):
        target.write(block)


def _same(source: int, target: int, found: os.stat_result) -> None:
    """Copy the owner, mode, time and relevant extended attributes of ``source`` to ``target``."""
    os.fchown(target, found.st_uid, found.st_gid)
    os.fchmod(target, stat.S_IMODE(found.st_mode))
    for name in _ATTRIBUTES:
        try:
            os.setxattr(target, name, os.getxattr(source, name))
        except OSError as error:
            if error.errno not in (errno.ENODATA, errno.ENOTSUP):
                raise
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
