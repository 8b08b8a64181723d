"""TIMESTAMP increases with every change, because clients keep their old copy of an index that does not look newer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_LATEST: Final = 253_402_300_799
"""The end of the year 9999. A larger number is damage, and would freeze every client if it were followed."""


def parse_timestamp(text: str) -> int:
    """Seconds since 1970 of a TIMESTAMP header; 0 if it is not valid."""
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        return 0
    value = int(text)
    return value if value <= _LATEST else 0


def next_timestamp(now: float, earlier: Iterable[int]) -> int:
    """A TIMESTAMP later than all ``earlier`` ones, and not before ``now`` (seconds since 1970)."""
    return max(int(now), max((value + 1 for value in earlier), default=0))
