"""What builds keep, and no longer: layers within a bound, logs and distfiles for so many days, results until published.

The ledger itself keeps every job and attempt: it says what is published, and for how long builds took.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from portage_ext.builds import performing
from portage_ext.builds.layers import Layers
from portage_ext.builds.means import Means


@dataclass(frozen=True, slots=True)
class Swept:
    """How many of each were removed."""

    layers: int
    logs: int
    results: int
    distfiles: int


def sweep(means: Means, *, now: float | None = None) -> Swept:
    """Remove what [build] of portage-ext.toml no longer keeps, and what dead runs left. Raises LedgerError, OSError."""
    building, places = means.site.settings.building, means.places
    before = (time.time() if now is None else now) - building.keep
    performing.clear(places)
    # First what is there: what comes to incoming later is not judged by a list of before.
    results = _children(places.incoming)
    wanted = {Path(entry.result).parent for entry in means.ledger.entries("checked")}
    wanted |= {places.incoming / f"{attempt.key[:16]}.{attempt.fence}" for attempt in means.ledger.running()}
    running = {attempt.log for attempt in means.ledger.running()}
    return Swept(
        layers=len(Layers(places.layers).keep_within(building.layers)),
        logs=sum(str(path) not in running and _removed(path, before) for path in _children(places.state / "log")),
        results=sum(_result_removed(path) for path in results if path not in wanted),
        distfiles=sum(_removed(path, before) for place in _children(places.distfiles) for path in _children(place)),
    )


def _children(directory: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return sorted(directory.iterdir())
    return []


def _removed(path: Path, before: float) -> bool:
    """Whether the file at ``path`` was used last before that time, and is gone now."""
    if path.lstat().st_mtime >= before:
        return False
    path.unlink()
    with contextlib.suppress(OSError):
        path.parent.rmdir()
    return True


def _result_removed(path: Path) -> bool:
    shutil.rmtree(path)
    return True
