"""A reader says what it thinks of any bytes by a named error, within a second of CPU time and 64 MiB above the bytes."""

from __future__ import annotations

import contextlib
import functools
import resource
import signal
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType

from portage_ext import limits
from portage_ext.errors import PortageExtError

SECONDS = 1.0
MEMORY = 64 * limits.MIB
_SUSPICIOUS = 16 * limits.MIB
_HUNG = 5
"""Times the allowed time after which a call is broken off."""
_REFERENCE = 0.025
"""Seconds of CPU time that the loop below takes on a machine of 2020; a slower one has as much more time for everything."""


@dataclass(frozen=True)
class Target:
    """A reader: ``seeds`` are honest bytes, ``call`` reads any, and may raise what is in ``allowed``.

    ``words`` are texts that mean something to it. ``mend`` corrects checksums, so that what is behind them is reached.
    """

    name: str
    seeds: Callable[[], Sequence[bytes]]
    call: Callable[[bytes], object]
    allowed: tuple[type[Exception], ...] = (PortageExtError,)
    words: tuple[bytes, ...] = ()
    mend: Callable[[bytes], bytes] | None = None


class HungError(BaseException):
    """A call that does not end."""


class FindingError(AssertionError):
    """A reader did what it must not."""


@functools.cache
def allowed_seconds() -> float:
    """SECONDS on a fast machine, more on a slow one."""
    begun = time.process_time()
    sum(number * number % 7 for number in range(300_000))
    return SECONDS * max(1.0, (time.process_time() - begun) / _REFERENCE)


def judge(target: Target, data: bytes, *, exact: bool = False) -> None:
    """Have ``target`` read ``data``. Raises FindingError. ``exact``: memory is counted, which takes time, and not estimated."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    try:
        with _broken_off(allowed_seconds() * _HUNG):
            _call(target, data)
    except HungError:
        raise FindingError(f"{target.name}: does not end") from None
    seconds = time.process_time() - begun
    if seconds > allowed_seconds():
        raise FindingError(f"{target.name}: takes {seconds:.2f} s of CPU time")
    if exact or (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 > _SUSPICIOUS:
        peak = _memory(target, data)
        if peak > MEMORY + len(data):
            raise FindingError(f"{target.name}: takes {peak >> 20} MiB for {len(data)} bytes")


def _call(target: Target, data: bytes) -> None:
    try:
        target.call(data)
    except target.allowed:
        return
    except HungError:
        raise
    except BaseException as error:
        raise FindingError(f"{target.name}: {type(error).__name__}: {str(error)[:200]}") from error


def _memory(target: Target, data: bytes) -> int:
    tracemalloc.start()
    try:
        _call(target, data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@contextlib.contextmanager
def _broken_off(seconds: float) -> Iterator[None]:
    """End the block after ``seconds`` of CPU time, if it is in Python then."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise HungError

    previous = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
