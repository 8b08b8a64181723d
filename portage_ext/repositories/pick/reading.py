"""The metadata of ebuilds is read by isolated processes, each of which reads one ebuild at a time within a time limit.

If an ebuild does not terminate, its reader is killed and another one continues with the next ebuild. The answer of a reader is
as untrusted as the ebuild: it is one line of JSON with limited length, and only strings for known keys are used.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import selectors
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from portage_ext.errors.repositories import ConfinementError
from portage_ext.limits import repositories as limits
from portage_ext.repositories import cache

READY: Final = b"ready\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """The metadata of an ebuild (``values``), and the names of all eclasses that it inherits."""

    values: Mapping[str, str]
    eclasses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why the metadata of an ebuild cannot be read. ``endless`` is True if the ebuild did not terminate in time."""

    why: str
    endless: bool = False


class Readers:
    """Reads ebuilds with processes that ``start`` starts when they are needed, at most ``most`` at a time.

    It is a context manager that ends the processes. Until then they wait for more work, because a closure is read step by step,
    and starting a reader takes longer than reading a few ebuilds.
    """

    def __init__(
        self, start: Callable[[], subprocess.Popen[bytes]], most: int | None = None, seconds: float = limits.READER_SECONDS
    ) -> None:
        self._start = start
        self._most = most or min(os.cpu_count() or 1, 8)
        self._seconds = seconds
        self._left = limits.READER_TIMEOUTS
        self._idle: list[_Reader] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        while self._idle:
            self._idle.pop().dismiss()

    def read(self, cpvs: Iterable[str]) -> dict[str, Answer | Unreadable]:
        """The answer for each of ``cpvs`` of the overlay. Raises ConfinementError if no reader can be started."""
        waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        count = 0
        for cpv in cpvs:
            waiting.put(cpv)
            count += 1
        found: dict[str, Answer | Unreadable] = {}
        failures: list[BaseException] = []

        def work() -> None:
            try:
                self._work(waiting, found)
            except Exception as error:  # noqa: BLE001 - raised again by the thread that waits
                failures.append(error)

        number = min(self._most, max((count + 3) // 4, min(len(self._idle), count)))
        threads = [threading.Thread(target=work, daemon=True) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return found

    def _work(self, waiting: queue.SimpleQueue[str], found: dict[str, Answer | Unreadable]) -> None:
        reader: _Reader | None = None
        try:
            while True:
                try:
                    cpv = waiting.get_nowait()
                except queue.Empty:
                    if reader is not None:
                        self._idle.append(reader)
                    return
                if self._left <= 0:
                    found[cpv] = Unreadable("it was not read, since too many ebuilds before it did not come to an end", True)
                    continue
                reader = reader or self._waiting() or _Reader(self._start())
                found[cpv] = reader.ask(cpv, self._seconds)
                if reader.is_gone:
                    self._left -= 1
                    reader.end()
                    reader = None
        except BaseException:  # also after Ctrl-C: a reader in the middle of an answer must not be used again
            if reader is not None:
                reader.end()
            raise

    def _waiting(self) -> _Reader | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None


class _Reader:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Raises ConfinementError."""
        self._process = process
        self._buffer = b""
        self.is_gone = False
        if self._line(limits.READER_START) != READY:
            said = b""
            if process.stderr is not None:
                process.kill()
                said = process.stderr.read(4096)
            self.end()
            last = said.decode(errors="replace").strip().split("\n")[-1]
            raise ConfinementError(f"the process that reads ebuilds did not start ({last or 'it said nothing'})")

    def ask(self, cpv: str, seconds: float) -> Answer | Unreadable:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{cpv}\n".encode())
            self._process.stdin.flush()
        except OSError:
            self.is_gone = True
            return Unreadable("its reader ended")
        line = self._line(seconds)
        if line is None:
            self.is_gone = True
            ended = self._process.poll() is not None
            return Unreadable("it ended its reader" if ended else f"it did not come to an end in {seconds:g} s", True)
        return answer(line, cpv)

    def dismiss(self) -> None:
        """Close the input, after which the process ends by itself; kill it if it does not."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self._process.stdin.close()
            self._process.wait(limits.READER_END)
        self.end()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue

    def _line(self, seconds: float) -> bytes | None:
        """The next line; None if it does not arrive in time, is too long, or the output has ended."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        end = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                left = end - time.monotonic()
                if left <= 0 or not selector.select(left):
                    return None
                data = os.read(descriptor, 65536)
                self._buffer += data
                if not data or len(self._buffer) > limits.READER_LINE:
                    return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line + b"\n"


def answer(line: bytes, cpv: str) -> Answer | Unreadable:
    """Parse a reader's answer for ``cpv`` in ``line``."""
    try:
        said = json.loads(line)
        if said["cpv"] != cpv:
            raise ValueError("another ebuild")
        if said["values"] is None:
            return Unreadable(" ".join(str(said["why"]).split())[:300])
        values = {key: " ".join(str(said["values"].get(key, "")).split()) for key in cache.KEYS}
        eclasses = tuple(sorted({str(one) for one in said["eclasses"] if cache.is_eclass(str(one))}))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Unreadable("its reader gave no answer that can be read", True)
    if not values["EAPI"] or not values["SLOT"]:
        return Unreadable("it has no EAPI or no SLOT")
    return Answer(values, eclasses)
