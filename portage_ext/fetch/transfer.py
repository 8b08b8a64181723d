"""One transfer of a file from one mirror has limits that the caller sets: a maximum size and a maximum time.

The bytes go to a sink as they arrive, and the sink checks them. A transport only reports whether it could fetch them.
"""

from __future__ import annotations

import importlib
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, Protocol, cast
from urllib.parse import SplitResult, urlsplit

from portage_ext import shown
from portage_ext.errors.trust import OversizedFileError, SlowMirrorError, UnsupportedUrlError
from portage_ext.records import record


@record
class Patience:
    """When a transfer is aborted: after ``timeout`` seconds without data, or after ``low_speed_time`` seconds with less than
    ``low_speed`` bytes per second."""

    timeout: float = 30
    low_speed: int = 1024
    low_speed_time: float = 60


@record(frozen=False)
class Transfer:
    """The file to fetch and the progress so far.

    ``sink`` gets the bytes. ``splice``, if there is one, takes them from a socket without copying (sinks.Sink.splice).
    ``restart`` is called if a mirror cannot continue at ``offset`` and starts again at the first byte.
    ``limit`` is the maximum size of the whole file in bytes. ``shown`` is the URL without its password.
    """

    url: str
    limit: int
    sink: Callable[[bytes | memoryview], None]
    restart: Callable[[], None]
    offset: int = 0
    splice: Callable[[int, int], int | None] | None = None

    @property
    def shown(self) -> str:
        return shown.line(self.url)

    def announce(self, length: int | None) -> None:
        """Check the announced ``length`` of the rest, in bytes. Raises OversizedFileError if the file would be too large."""
        if length is not None and self.offset + length > self.limit:
            raise OversizedFileError(self.shown, f"it announces {self.offset + length} bytes where at most {self.limit} belong")

    def take(self, block: bytes | memoryview) -> None:
        """Pass arrived bytes to the sink. Raises OversizedFileError if they exceed the limit."""
        room = self.limit - self.offset
        if len(block) > room:
            raise OversizedFileError(self.shown, f"it sends more than the {self.limit} bytes that belong to the file")
        self.offset += len(block)
        self.sink(block)

    def take_from(self, source: int, count: int) -> int | None:
        """Let the sink take up to ``count`` bytes, which were announced, from the socket ``source``; as sinks.Sink.splice."""
        taken = self.splice(source, min(count, self.limit - self.offset)) if self.splice is not None else None
        self.offset += taken or 0
        return taken

    def begin_anew(self) -> None:
        """Start again, because the mirror sends the file from its first byte."""
        if self.offset:
            self.offset = 0
            self.restart()


ENTRY_POINTS: Final = "portage_ext.transports"
TRANSPORTS: Final = {"http": "http", "https": "http", "ssh": "ssh"}
"""The supported URL schemes, and for each the module in this room whose function ``transport`` makes its Transport.

Another package can add a transport with an entry point in the group ``portage_ext.transports``: its name is the scheme, its
value such a function. Entry points are searched only for a scheme that is not in this table.
"""


class Transport(Protocol):
    """A way to reach mirrors."""

    def run(self, transfer: Transfer, patience: Patience) -> None:
        """Fetch the file, or the rest of it. Raises MirrorError and its subclasses."""

    def close(self) -> None:
        """Close all connections."""


def factory(scheme: str) -> Callable[[], Transport] | None:
    """The function that makes the transport for ``scheme``; None if there is none."""
    # Imported only when needed, because importing requests takes longer than fetching a small package.
    if scheme in TRANSPORTS:
        module = importlib.import_module(f"portage_ext.fetch.{TRANSPORTS[scheme]}")
        return cast("Callable[[], Transport]", module.transport)
    from importlib.metadata import entry_points

    points = entry_points(group=ENTRY_POINTS, name=scheme)
    return next((cast("Callable[[], Transport]", point.load()) for point in points), None)


def parsed(url: str) -> SplitResult:
    """Split ``url`` and check its host and port. Raises UnsupportedUrlError.

    All URLs are parsed here, whether an administrator wrote them or a server redirects to them.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        # The message of the exception is not shown, because it may contain a part of a password.
        raise UnsupportedUrlError(url, "it is no URL that can be read; look at its host, port and brackets") from None
    if parts.scheme in TRANSPORTS and not host:
        raise UnsupportedUrlError(url, "it names no host")
    return parts


@contextmanager
def watched(transfer: Transfer, patience: Patience) -> Iterator[None]:
    """Abort a transfer that is too slow, wherever it hangs: in name resolution, handshake, header or body.

    The timeout of a socket restarts with every byte, so a server that sends one byte at a time would never be aborted. A timer
    solves this. It needs signals, which Python has only in the main thread; in other threads only the socket's timeout applies.
    """
    before = transfer.offset

    def tick(_signal: int, _frame: FrameType | None) -> None:
        nonlocal before
        moved, before = transfer.offset - before, transfer.offset
        if 0 <= moved < patience.low_speed * patience.low_speed_time:
            raise SlowMirrorError(transfer.shown, f"it sent {moved} bytes in {patience.low_speed_time:g} s")

    main = True
    try:
        previous = signal.signal(signal.SIGALRM, tick)
    except ValueError:
        main = False
    if not main:
        # Not inside the handler above, where an error of the transfer would get the ValueError as its context.
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, patience.low_speed_time, patience.low_speed_time)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def backoff(round_number: int, longest: float) -> None:
    """Wait before the next round of attempts: half a second, then twice as long each time, at most ``longest`` seconds."""
    time.sleep(min(0.5 * 2**round_number, longest))
