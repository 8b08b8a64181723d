"""Arriving bytes are hashed while they are stored, and a file is complete only if its size and digests match."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Protocol

from portage_ext import limits
from portage_ext.errors import OutputError
from portage_ext.errors.trust import CorruptFileError, ShortFileError

if TYPE_CHECKING:
    from queue import Queue
    from threading import Thread

_THREADED_FROM: Final = 4 * limits.MIB
"""For files smaller than this number of bytes, a thread costs more time than it saves."""
_QUEUED: Final = 4
BLOCKS_IN_USE: Final = _QUEUED + 2
"""How many of the last blocks a sink may still read: those in the queue, one that is being hashed, and the latest one."""


class Sink(Protocol):
    """Receives the bytes of a transfer."""

    def write(self, block: bytes | memoryview) -> None:
        """Store ``block``. The caller must not change its bytes until BLOCKS_IN_USE - 1 more blocks were written."""

    def restart(self) -> None: ...

    def finish(self, where: str) -> None:
        """End the file. Raises ShortFileError or CorruptFileError if the bytes are not the expected ones."""


class Digests:
    """Several digests of one stream. For a large stream each has its own thread, because hashlib releases the GIL."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._hashes = {name: hashlib.new(name.lower()) if name != "BLAKE2B" else hashlib.blake2b() for name in names}
        self._size = 0
        self._lanes: list[tuple[Queue[bytes | memoryview | None], Thread]] = []

    def update(self, block: bytes | memoryview) -> None:
        self._size += len(block)
        if self._lanes:
            for lane, _ in self._lanes:
                lane.put(block)
            return
        for one in self._hashes.values():
            one.update(block)
        if self._size >= _THREADED_FROM:
            # Imported here, so that the process that fetches a small package does not load the threading modules.
            from queue import Queue
            from threading import Thread

            for one in self._hashes.values():
                lane = Queue[bytes | memoryview | None](_QUEUED)
                thread = Thread(target=_consume, args=(lane, one), daemon=True)
                thread.start()
                self._lanes.append((lane, thread))

    def values(self) -> dict[str, str]:
        """Return the hexadecimal digests by name, and end the threads."""
        self.stop()
        return {name: one.hexdigest() for name, one in self._hashes.items()}

    def stop(self) -> None:
        """End the threads after they have hashed the queued blocks."""
        for lane, thread in self._lanes:
            lane.put(None)
            thread.join()
        self._lanes = []


def _consume(lane: Queue[bytes | memoryview | None], digest: hashlib._Hash) -> None:
    while (block := lane.get()) is not None:
        digest.update(block)


class MemorySink:
    """Keeps a small file in memory."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def write(self, block: bytes | memoryview) -> None:
        self._blocks.append(bytes(block))

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
        if resume:
            while block := self._file.read(limits.TRANSFER_BLOCK):
                self._digests.update(block)
                self.offset += len(block)
            if size is not None and self.offset > size:
                self.restart()

    def write(self, block: bytes | memoryview) -> None:
        try:
            self._file.write(block)
        except OSError as error:
            raise self._unwritable(error) from error
        self._digests.update(block)
        self.offset += len(block)

    def restart(self) -> None:
        self._digests.stop()
        self._digests = Digests(tuple(self._expected))
        try:
            self._file.seek(0)
            self._file.truncate()
        except OSError as error:
            raise self._unwritable(error) from error
        self.offset = 0

    def finish(self, where: str) -> None:
        try:
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from error
        if self._size is not None and self.offset != self._size:
            raise ShortFileError(where, f"it sends {self.offset} bytes of {self._size}")
        values = self._digests.values()
        for name, expected in self._expected.items():
            if values[name] != expected.lower():
                raise CorruptFileError(where, f"{name} is {values[name][:16]}…, not {expected[:16]}…")

    def close(self) -> None:
        self._digests.stop()
        # Errors can be ignored here: `finish` has already flushed the data of a good file, and raised an error if that failed.
        with contextlib.suppress(OSError):
            self._file.close()

    def _unwritable(self, error: OSError) -> OutputError:
        """The error for a file that cannot be written. It is not the mirror's fault, so no other mirror is tried."""
        return OutputError(str(self._path), error.strerror or str(error))
