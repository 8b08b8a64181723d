"""Only this module formats counts, sizes and times for people."""

from __future__ import annotations

import time
from typing import Final

_DAY: Final = 86400
_UNITS: Final = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def counted(count: int, word: str = "package") -> str:
    """A number and its word: ``1 package``, ``2 packages``."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def size(count: int) -> str:
    """Bytes in the largest suitable unit: ``1 byte``, ``1.5 MiB``."""
    for unit, name in _UNITS:
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return counted(count, "byte")


def day(seconds: int) -> str:
    """The day of a time in seconds since 1970, in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def minute(seconds: int) -> str:
    """The day and minute of a time in seconds since 1970, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def second(seconds: int) -> str:
    """The day and second of a time in seconds since 1970, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def spell(seconds: float) -> str:
    """A duration in the largest unit that fits at least twice: ``90 min``, ``2 days``."""
    for length, name in ((_DAY, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {name}"
    return f"{seconds:.0f} s"
