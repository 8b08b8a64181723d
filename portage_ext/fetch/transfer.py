"""One transfer of one file from one mirror: bounded in bytes by the caller's limit, in time by the caller's patience.

The bytes go to a sink as they arrive and are judged there; a transport decides nothing but whether it got any.
"""

from __future__ import annotations

import importlib
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Final, Protocol, cast
from urllib.parse import SplitResult, urlsplit

from portage_ext import shown
from portage_ext.errors.trust import OversizedFileError, SlowMirrorError, UnsupportedUrlError


@dataclass(frozen=True, slots=True)
class Patience:
    """When a mirror is given up: ``timeout`` seconds of silence, or less than ``low_speed`` bytes a second for
    ``low_speed_time`` seconds."""

    timeout: float = 30
    low_speed: int = 1024
    low_speed_time: float = 60


@dataclass(slots=True)
class Transfer:
    """What is to be fetched, and how far it has come.

    ``sink`` gets the bytes; ``restart`` is called when a mirror cannot continue at ``offset`` and begins at the first
    byte again. ``limit`` is the greatest size of the whole file in bytes. ``shown`` is the URL without its password.
    """

    url: str
    limit: int
    sink: Callable[[bytes | memoryview], None]
    restart: Callable[[], None]
    offset: int = 0
    shown: str = field(init=False)

    def __post_init__(self) -> None:
        self.shown = shown.line(self.url)

    def announce(self, length: int | None) -> None:
        """A mirror says that ``length`` bytes follow. Raises OversizedFileError when that is too many."""
        if length is not None and self.offset + length > self.limit:
            raise OversizedFileError(self.shown, f"it announces {self.offset + length} bytes where at most {self.limit} belong")

    def take(self, block: bytes | memoryview) -> None:
        """Bytes have arrived. Raises OversizedFileError at the first one too many."""
        room = self.limit - self.offset
        if len(block) > room:
            raise OversizedFileError(self.shown, f"it sends more than the {self.limit} bytes that belong to the file")
        self.offset += len(block)
        self.sink(block)

    def begin_anew(self) -> None:
        """The mirror sends the file from its first byte."""
        if self.offset:
            self.offset = 0
            self.restart()


ENTRY_POINTS: Final = "portage_ext.transports"
TRANSPORTS: Final = {"http": "http", "https": "http", "ssh": "ssh"}
"""What can be fetched from and verified: the scheme of a URL, and the module here whose ``transport`` makes its Transport.

A transport of another package is an entry point of the group ``portage_ext.transports``: a scheme, and such a function. It is
looked for only where this table lacks the scheme.
"""


class Transport(Protocol):
    """A way to reach mirrors."""

    def run(self, transfer: Transfer, patience: Patience) -> None:
        """Fetch the file, or the rest of it. Raises MirrorError and its subclasses."""

    def close(self) -> None:
        """Let go of connections."""


def factory(scheme: str) -> Callable[[], Transport] | None:
    """What makes the transport for ``scheme``; None when there is none."""
    # Imported when needed: requests costs more time than a small package.
    if scheme in TRANSPORTS:
        module = importlib.import_module(f"portage_ext.fetch.{TRANSPORTS[scheme]}")
        return cast("Callable[[], Transport]", module.transport)
    from importlib.metadata import entry_points

    points = entry_points(group=ENTRY_POINTS, name=scheme)
    return next((cast("Callable[[], Transport]", point.load()) for point in points), None)


def parsed(url: str) -> SplitResult:
    """The parts of ``url``, of which host and port can be used. Raises UnsupportedUrlError.

    Whoever wrote the URL, an administrator or a server that redirects, this is the one place where it is taken apart.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        # Its own words may hold a piece of a password.
        raise UnsupportedUrlError(url, "it is no URL that can be read; look at its host, port and brackets") from None
    if parts.scheme in TRANSPORTS and not host:
        raise UnsupportedUrlError(url, "it names no host")
    return parts


@contextmanager
def watched(transfer: Transfer, patience: Patience) -> Iterator[None]:
    """Give up a transfer that is too slow, wherever it hangs: resolver, handshake, header or body.

    A timeout on a socket begins anew with every byte, so a drip would never end; a timer does not. Outside the main
    thread, where Python has no signals, the timeout of the socket alone remains.
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
        # Not in the handler above: what goes wrong here would seem to have come of it.
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, patience.low_speed_time, patience.low_speed_time)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def backoff(round_number: int, longest: float) -> None:
    """Wait before the next round of attempts: half a second, doubled each time, ``longest`` at most."""
    time.sleep(min(0.5 * 2**round_number, longest))
