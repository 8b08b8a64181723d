"""Old files of builds are deleted: layers above a total size, logs and distfiles after some days, results after publication.

The ledger keeps every job and attempt, because it records what is published and how long builds took.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from portage_ext.builds.cages import scratches
from portage_ext.builds.cages.environment import environment
from portage_ext.builds.layers.store import Layers
from portage_ext.builds.means import Means
from portage_ext.errors.builds import TargetError


@dataclass(frozen=True, slots=True)
class Swept:
    """The number of removed files or directories of each kind, and the pinned targets, whose layers were kept."""

    layers: int
    logs: int
    results: int
    distfiles: int
    pinned: tuple[str, ...] = ()


def sweep(means: Means, *, now: float | None = None) -> Swept:
    """Delete files according to [build] in portage-ext.toml, and files left by dead runs. Raises LedgerError, OSError."""
    building, places = means.site.settings.building, means.places
    before = (time.time() if now is None else now) - building.keep
    scratches.clear(places)
    # List the directory before reading the ledger, so that a result that arrives in between is not deleted.
    results = _children(places.incoming)
    wanted = {Path(entry.result).parent for entry in means.ledger.entries("checked")}
    wanted |= {Path(result).parent for result in means.ledger.unconfirmed()}
    wanted |= {places.incoming / f"{attempt.key[:16]}.{attempt.fence}" for attempt in means.ledger.running()}
    running = {attempt.log for attempt in means.ledger.running()}
    environments = {name: _digests(means, name) for name in means.targets.names()}
    pinned = [name for name in environments if means.targets.is_pinned(name)]
    return Swept(
        layers=len(
            Layers(places.layers).keep_within(
                building.layers,
                frozenset().union(*(environments[name] for name in pinned)),
                frozenset().union(*environments.values()),
            )
        ),
        logs=sum(str(path) not in running and _removed(path, before) for path in _children(places.state / "log")),
        results=sum(_result_removed(path) for path in results if path not in wanted),
        distfiles=sum(_removed(path, before) for place in _children(places.distfiles) for path in _children(place)),
        pinned=tuple(pinned),
    )


def _digests(means: Means, name: str) -> frozenset[str]:
    """The digests of the environment of the target ``name`` and of the layers in it; empty if it has none on this host. Raises
    PortageExtError."""
    try:
        place = environment(name, means.targets.load(name))
    except TargetError:
        return frozenset()
    return frozenset((place.digest(), *(place.stack.layers.values() if place.stack is not None else ())))


def _children(directory: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return sorted(directory.iterdir())
    return []


def _removed(path: Path, before: float) -> bool:
    """Delete the file at ``path`` if it was last used before that time. Returns whether it was deleted."""
    if path.lstat().st_mtime >= before:
        return False
    path.unlink()
    with contextlib.suppress(OSError):
        path.parent.rmdir()
    return True


def _result_removed(path: Path) -> bool:
    shutil.rmtree(path)
    return True
