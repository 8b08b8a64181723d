"""TIMESTAMP increases with every change, because a client keeps its old copy of an index unless TIMESTAMP is newer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_LATEST: Final = 253_402_300_799
"""The end of the year 9999. A larger number means damage; if it were used, no client would ever fetch an index again."""


def parse_timestamp(text: str) -> int:
    """Parse a TIMESTAMP header to seconds since 1970; 0 if it is not valid."""
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        return 0
    value = int(text)
    return value if value <= _LATEST else 0


def next_timestamp(now: float, earlier: Iterable[int]) -> int:
    """A TIMESTAMP that is later than all ``earlier`` ones and not before ``now`` (seconds since 1970)."""
    return max(int(now), max((value + 1 for value in earlier), default=0))
