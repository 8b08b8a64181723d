"""How much the rows measure."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class Sizes:
    """``peer`` and ``longest`` are seconds: a slow peer is not run again after ``peer``, and not at all when its time for fewer
    packages says that it would take ``longest``; its time is scaled then.
    """

    counts: tuple[int, ...] = (10_000, 30_000)
    signed: tuple[int, ...] = (10_000, 30_000)
    releases: int = 30_000
    many: int = 100_000
    manifests: int = 1000
    binaries: int = 500
    megabytes: int = 500
    runs: int = 3
    fetched: int = 300
    peer: float = 150.0
    longest: float = 400.0


QUICK: Final = Sizes((200,), (200,), 200, 1000, 60, 30, 20, 1, 5)


def absent(*programs: str) -> str:
    """Which of ``programs`` are not installed, in words; an empty text if all are."""
    lacking = [program for program in programs if not shutil.which(program)]
    return f"{' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not installed" if lacking else ""


@dataclass(frozen=True, slots=True)
class Bench:
    """What each part gets: sizes, and a directory that keeps what is generated."""

    work: Path
    sizes: Sizes
