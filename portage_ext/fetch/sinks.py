"""Arriving bytes are hashed while they are stored, and a file is complete only if its size and digests match.

The bytes of a large file that come over a plain socket are moved into the file by the kernel (splice(2)), and threads read them
there and hash them. So no byte passes through this process twice, and what is hashed is what the file has.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Protocol

from portage_ext import limits
from portage_ext.errors import OutputError
from portage_ext.errors.trust import CorruptFileError, ShortFileError
from portage_ext.model.digest import Hash, blake2b

if TYPE_CHECKING:
    from queue import Queue

_THREADED_FROM: Final = 4 * limits.MIB
"""For files smaller than this number of bytes, a thread costs more time than it saves."""
_QUEUED: Final = 4
_PIPE: Final = limits.MIB
_RANGE: Final = 512 * limits.KIB
"""Spliced bytes are hashed in ranges of about this size: each wakes the threads once."""
_UNSPLICEABLE: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
BLOCKS_IN_USE: Final = _QUEUED + 2
"""How many of the last blocks a sink may still read: those in the queue, one that is being hashed, and the latest one."""


class Sink(Protocol):
    """Receives the bytes of a transfer."""

    def write(self, block: bytes | memoryview) -> None:
        """Store ``block``. The caller must not change its bytes until BLOCKS_IN_USE - 1 more blocks were written."""

    def splice(self, source: int, count: int) -> int | None:
        """Store up to ``count`` bytes of the socket ``source``, a descriptor that does not block, without copying them.

        Returns how many were stored, and 0 at the end of the stream. None: this sink cannot do it, and has stored nothing.
        Raises BlockingIOError if there are no bytes yet.
        """

    def restart(self) -> None: ...

    def finish(self, where: str) -> None:
        """End the file. Raises ShortFileError or CorruptFileError if the bytes are not the expected ones."""


class Digests:
    """Several digests of one stream. For a large stream each has its own thread, because hashlib releases the GIL."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._hashes = {name: hashlib.new(name.lower()) if name != "BLAKE2B" else blake2b() for name in names}
        self._size = 0
        self._lanes: list[_Lane] = []
        self._buffers: list[memoryview] = []
        """Used in turn, the longest unused first."""

    def update(self, block: bytes | memoryview) -> None:
        self._size += len(block)
        if self._lanes:
            for lane in self._lanes:
                lane.put(block)
            return
        for one in self._hashes.values():
            one.update(block)
        if self._size >= _THREADED_FROM:
            self._start()

    def follow(self, fd: int, begin: int, end: int) -> None:
        """The next bytes are those of the file ``fd`` from ``begin`` to ``end``.

        They are read here, and not by the thread that hashes them: it has more to do than this one, and here they are still in
        the CPU's cache.
        """
        if not self._lanes:
            self._start()
        if not self._buffers:
            self._buffers = [memoryview(bytearray(_RANGE)) for _ in range(BLOCKS_IN_USE)]
        # A file that somebody else cuts off, or that cannot be read, gets another digest and is refused for it.
        with contextlib.suppress(OSError):
            while begin < end:
                self._buffers.append(buffer := self._buffers.pop(0))
                count = os.preadv(fd, [buffer[: end - begin]], begin)
                if not count:
                    return
                self.update(buffer[:count])
                begin += count

    def _start(self) -> None:
        self._lanes = [_Lane(one) for one in self._hashes.values()]

    def values(self) -> dict[str, str]:
        """Return the hexadecimal digests by name, and end the threads."""
        self.stop()
        return {name: one.hexdigest() for name, one in self._hashes.items()}

    def stop(self) -> None:
        """End the threads after they have hashed the queued blocks."""
        for lane in self._lanes:
            lane.end()
        self._lanes = []


class _Lane:
    """A thread that makes one digest."""

    def __init__(self, digest: Hash) -> None:
        # Imported here, so that the process that fetches a small package does not load the threading modules.
        from queue import Queue
        from threading import Thread

        self._digest = digest
        self._queue: Queue[bytes | memoryview | None] = Queue(_QUEUED)
        self._thread = Thread(target=self._consume, daemon=True)
        self._thread.start()
        self.put = self._queue.put

    def end(self) -> None:
        """End the thread after it has hashed all that it was given."""
        self.put(None)
        self._thread.join()

    def _consume(self) -> None:
        while (block := self._queue.get()) is not None:
            self._digest.update(block)


class MemorySink:
    """Keeps a small file in memory."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def write(self, block: bytes | memoryview) -> None:
        self._blocks.append(bytes(block))

    def splice(self, source: int, count: int) -> int | None:
        return None

    def restart(self) -> None:
        self._blocks.clear()

    def finish(self, where: str) -> None:
        """Do nothing: the caller checks a file in memory."""

    @property
    def data(self) -> bytes:
        return b"".join(self._blocks)


class FileSink:
    """Writes a file that must have ``size`` bytes (None: unknown) and ``digests`` (name to value in lower-case hex)."""

    def __init__(self, path: Path, size: int | None, digests: Mapping[str, str], *, resume: bool = False) -> None:
        """Open ``path``. With ``resume``, the bytes that it already has are kept and hashed. Raises OSError."""
        self._path = path
        self._size = size
        self._expected = dict(digests)
        self._digests = Digests(tuple(self._expected))
        self._file: IO[bytes] = path.open("r+b" if resume and path.exists() else "w+b")
        self.offset = 0
        self._pipe: _Pipe | None = None
        self._hashed = 0
        """Up to where spliced bytes were given to the digests."""
        if resume:
            while block := self._file.read(limits.TRANSFER_BLOCK):
                self._digests.update(block)
                self.offset += len(block)
            if size is not None and self.offset > size:
                self.restart()

    def splice(self, source: int, count: int) -> int | None:
        file = self._file.fileno()
        if self._pipe is None:
            if not hasattr(os, "splice"):
                return None  # a Python that was built without it
            # What `write` has taken before is in the file, and its place is known, before the kernel adds to it.
            self._flush()
            self._hashed = self.offset
            self._pipe = _Pipe()
        stored = self._pipe.take(source, count)
        if not stored:
            return stored
        try:
            self._pipe.give(file, self.offset, stored)
        except OSError as error:
            raise self._unwritable(error) from error
        self.offset += stored
        if self.offset - self._hashed >= _RANGE:
            self._follow()
        return stored

    def _follow(self) -> None:
        """Hash what was spliced since the last time."""
        if self._pipe is not None and self.offset > self._hashed:
            self._digests.follow(self._file.fileno(), self._hashed, self.offset)
            self._hashed = self.offset

    def write(self, block: bytes | memoryview) -> None:
        if self._pipe is not None:
            self._unsplice()
        try:
            self._file.write(block)
        except OSError as error:
            raise self._unwritable(error) from error
        self._digests.update(block)
        self.offset += len(block)

    def _unsplice(self) -> None:
        """Go on with `write`."""
        self._follow()
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        self._file.seek(self.offset)

    def restart(self) -> None:
        self._unsplice()
        self._digests.stop()
        self._digests = Digests(tuple(self._expected))
        try:
            self._file.seek(0)
            self._file.truncate()
        except OSError as error:
            raise self._unwritable(error) from error
        self.offset = 0

    def finish(self, where: str) -> None:
        self._follow()
        self._flush()
        if self._size is not None and self.offset != self._size:
            raise ShortFileError(where, f"it sends {self.offset} bytes of {self._size}")
        values = self._digests.values()
        for name, expected in self._expected.items():
            if values[name] != expected.lower():
                raise CorruptFileError(where, f"{name} is {values[name][:16]}…, not {expected[:16]}…")

    def _flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from error

    def close(self) -> None:
        self._digests.stop()
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        # Errors can be ignored here: `finish` has already flushed the data of a good file, and raised an error if that failed.
        with contextlib.suppress(OSError):
            self._file.close()

    def _unwritable(self, error: OSError) -> OutputError:
        """The error for a file that cannot be written. It is not the mirror's fault, so no other mirror is tried."""
        return OutputError(str(self._path), error.strerror or str(error))


class _Pipe:
    """A pipe between a socket and a file, through which the kernel moves bytes (splice(2))."""

    def __init__(self) -> None:
        self._from, self._into = os.pipe2(os.O_CLOEXEC)
        # The kernel may allow an ordinary user less; then the pipe keeps the size that it has.
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._into, fcntl.F_SETPIPE_SZ, _PIPE)

    def take(self, source: int, count: int) -> int | None:
        """Move up to ``count`` bytes of ``source`` into the empty pipe. None: the kernel cannot. Raises OSError."""
        try:
            return os.splice(source, self._into, min(count, _PIPE))
        except OSError as error:
            if error.errno in _UNSPLICEABLE:
                return None
            raise

    def give(self, file: int, offset: int, count: int) -> None:
        """Move ``count`` bytes of the pipe into ``file`` at ``offset``. Raises OSError."""
        while count:
            try:
                moved = os.splice(self._from, file, count, offset_dst=offset)
            except OSError as error:
                if error.errno not in _UNSPLICEABLE:
                    raise
                # A file system that cannot splice gets the bytes as usual.
                moved = _write_whole(file, os.read(self._from, count), offset)
            offset += moved
            count -= moved

    def close(self) -> None:
        os.close(self._from)
        os.close(self._into)


def _write_whole(file: int, data: bytes, offset: int) -> int:
    written = 0
    while written < len(data):
        written += os.pwrite(file, data[written:], offset + written)
    return written
