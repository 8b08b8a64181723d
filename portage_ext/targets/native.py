"""``-march=native`` means the CPU of the host that compiles, so for another host it is replaced by the flags of that host's
compiler."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

PATTERN: Final = re.compile(rb"-m(?:arch|cpu|tune)=native(?![\w-])")


def found(data: bytes) -> str:
    """The first such flag in ``data``; empty if there is none."""
    match = PATTERN.search(data)
    return match[0].decode() if match else ""


def is_resolved(march: Sequence[str]) -> bool:
    """Whether ``march``, the flags that the target's compiler reported, can replace it."""
    return bool(march) and not any("native" in flag for flag in march)


def replaced(data: bytes, march: Sequence[str]) -> bytes:
    """``data`` with each such flag replaced by all of ``march``. Repeating them has no effect."""
    flags = " ".join(march).encode()
    return PATTERN.sub(lambda match: flags, data)
