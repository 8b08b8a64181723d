"""Where arriving bytes go. They are hashed while they arrive, and a file is whole only when its digests say so."""

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
"""Below this a thread costs more than it saves."""
_QUEUED: Final = 4
BLOCKS_IN_USE: Final = _QUEUED + 2
"""How many of the last blocks a sink may still look at: those that wait, one that is hashed, and the one just written."""


class Sink(Protocol):
    """What a transfer fills."""

    def write(self, block: bytes | memoryview) -> None:
        """Take ``block``. Its bytes must stay as they are until BLOCKS_IN_USE - 1 more blocks were written."""

    def restart(self) -> None: ...

    def finish(self, where: str) -> None:
        """All bytes are there. Raises ShortFileError or CorruptFileError when they are not the right ones."""


class Digests:
    """Several digests of one stream; for a large one each runs in a thread of its own, as hashlib lets go of the GIL."""

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
            # A small package is done before this, and its process has not loaded threads.
            from queue import Queue
            from threading import Thread

            for one in self._hashes.values():
                lane = Queue[bytes | memoryview | None](_QUEUED)
                thread = Thread(target=_consume, args=(lane, one), daemon=True)
                thread.start()
                self._lanes.append((lane, thread))

    def values(self) -> dict[str, str]:
        """Hexadecimal values by name. Ends the threads."""
        self.stop()
        return {name: one.hexdigest() for name, one in self._hashes.items()}

    def stop(self) -> None:
        """End the threads; what was queued is hashed first."""
        for lane, thread in self._lanes:
            lane.put(None)
            thread.join()
        self._lanes = []


def _consume(lane: Queue[bytes | memoryview | None], digest: hashlib._Hash) -> None:
    while (block := lane.get()) is not None:
        digest.update(block)


class MemorySink:
    """A small file, kept in memory."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def write(self, block: bytes | memoryview) -> None:
        self._blocks.append(bytes(block))

    def restart(self) -> None:
        self._blocks.clear()

    def finish(self, where: str) -> None:
        """A file in memory is judged by who asked for it."""

    @property
    def data(self) -> bytes:
        return b"".join(self._blocks)


class FileSink:
    """A file on disk that must have ``size`` bytes (None: unknown) and the ``digests`` given by name in lower-case hex."""

    def __init__(self, path: Path, size: int | None, digests: Mapping[str, str], *, resume: bool = False) -> None:
        """Opens ``path``; with ``resume`` the bytes that it has are kept and hashed. Raises OSError."""
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
        # What is worth keeping was flushed by `finish`, and told if it could not be.
        with contextlib.suppress(OSError):
            self._file.close()

    def _unwritable(self, error: OSError) -> OutputError:
        """No fault of the mirror, which other mirrors could make good."""
        return OutputError(str(self._path), error.strerror or str(error))
