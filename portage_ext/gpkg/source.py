"""A package is read through one file descriptor, so that every byte that is checked comes from the same file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG
from typing import Final

from portage_ext import limits
from portage_ext.errors import (
    ChangingPackageError,
    EmptyPackageError,
    MalformedPackageError,
    OversizedPackageError,
    TruncatedPackageError,
    UnreadablePackageError,
)
from portage_ext.records import record

HEAD: Final = 128 * limits.KIB
"""How many bytes at the start of a file are read at once and kept in memory."""


@record
class FileStamp:
    """Detects whether a file was changed: its size in bytes, modification time in nanoseconds, and inode."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileStamp:
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)

    @property
    def recordable(self) -> bool:
        """Whether the time fits into 64 bits, as in the state of an index."""
        return abs(self.mtime_ns) < 1 << 63


class Source:
    """Random access to an open package. Methods raise PackageError; ``name`` is the name of the file in errors."""

    __slots__ = ("_fd", "_head", "name", "stamp")

    def __init__(self, fd: int, name: str, buffer: bytearray | memoryview | None = None) -> None:
        """``buffer`` of HEAD bytes saves an allocation. This object uses it until the caller gives it to another Source."""
        status = os.fstat(fd)
        if not S_ISREG(status.st_mode):
            raise MalformedPackageError(name, "not a regular file")
        if not FileStamp.of(status).recordable:
            raise UnreadablePackageError(name, "its modification time is before 1678 or after 2261; change it with touch")
        if status.st_size == 0:
            raise EmptyPackageError(name, "the file is empty")
        if status.st_size > limits.PACKAGE_SIZE:
            raise OversizedPackageError(name, f"{status.st_size} bytes, more than {limits.PACKAGE_SIZE}")
        self._fd = fd
        self.name = name
        self.stamp = FileStamp.of(status)
        # One read is enough for most packages: they are small, or at least their headers are at the start.
        self._head = memoryview(bytearray(min(HEAD, status.st_size)) if buffer is None else buffer)[: status.st_size]
        self._fill()

    def _fill(self) -> None:
        done = 0
        try:
            while done < len(self._head):
                more = os.preadv(self._fd, [self._head[done:]], done)
                if not more:
                    raise TruncatedPackageError(self.name, f"ends at byte {done} of {len(self._head)}")
                done += more
        except OSError as error:
            raise UnreadablePackageError(self.name, f"cannot be read: {error.strerror}") from error

    def _pread(self, offset: int, size: int) -> bytes:
        try:
            data = os.pread(self._fd, size, offset)
            while len(data) < size:
                more = os.pread(self._fd, size - len(data), offset + len(data))
                if not more:
                    raise TruncatedPackageError(self.name, f"ends at byte {offset + len(data)} of {offset + size}")
                data += more
        except OSError as error:
            raise UnreadablePackageError(self.name, f"cannot be read: {error.strerror}") from error
        return data

    @property
    def size(self) -> int:
        return self.stamp.size

    @property
    def whole(self) -> memoryview | None:
        """All bytes of the file, if they are in memory."""
        return self._head if len(self._head) == self.stamp.size else None

    def read(self, offset: int, size: int) -> bytes:
        """Return exactly ``size`` bytes from ``offset``."""
        if offset + size > self.stamp.size:
            raise TruncatedPackageError(self.name, f"should have at least {offset + size} bytes, but has {self.stamp.size}")
        if offset + size <= len(self._head):
            return bytes(self._head[offset : offset + size])
        return self._pread(offset, size)

    def blocks(self, offset: int = 0, end: int | None = None) -> Iterator[bytes | memoryview]:
        """Yield the bytes from ``offset`` to ``end`` in blocks of limited size."""
        stop = self.stamp.size if end is None else end
        if offset < len(self._head):
            until = min(stop, len(self._head))
            yield self._head[offset:until]
            offset = until
        while offset < stop:
            block = self.read(offset, min(limits.READ_BLOCK, stop - offset))
            yield block
            offset += len(block)

    def unchanged(self) -> None:
        """Raise ChangingPackageError if the file was written to since it was opened."""
        if FileStamp.of(os.fstat(self._fd)) != self.stamp:
            raise ChangingPackageError(self.name, "changed while it was read")


def open_package(path: Path | str, name: str | None = None) -> int:
    """Open ``path``, which must not be a symbolic link. The caller closes the descriptor. Raises UnreadablePackageError."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UnreadablePackageError(name or str(path), f"cannot be opened: {error.strerror}") from error
