"""Only snapshots that portage-ext made and recorded are ever removed; each is recorded with its reason and installed packages.

The record is ``<root>/var/lib/portage-ext/snapshots.json``. It contains the installed packages, so that a difference can be
shown without mounting the snapshot.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from portage_ext import files, limits, locks
from portage_ext.config.snapshotting import AUTO, Snapshotting
from portage_ext.errors.snapshots import NoMakerError, SnapshotError
from portage_ext.snapshots import makers
from portage_ext.snapshots.makers import Btrfs, Maker, Snapper, Zfs
from portage_ext.snapshots.mounts import apart, holding, mounts

RECORD: Final = "var/lib/portage-ext/snapshots.json"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``made`` is the name that its maker gave it, ``when`` is in seconds since 1970, ``why`` is a summary of the merge
    list."""

    number: int
    maker: str
    made: str
    when: int
    why: str
    installed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """Directories of the system that are not in the snapshot, because they are separate file systems."""


def maker_of(root: Path, wanted: str = AUTO) -> Maker:
    """Choose the maker for snapshots of the system ``root``. Raises NoMakerError, OSError."""
    if wanted in (AUTO, "snapper") and os.path.realpath(root) == "/" and makers.snapper_ready():
        return Snapper()
    mount = holding(root, mounts())
    if mount is not None and wanted in (AUTO, mount.kind) and mount.kind == "zfs":
        return Zfs(mount.source)
    if mount is not None and wanted in (AUTO, mount.kind) and mount.kind == "btrfs":
        place = makers.subvolume(root, mount)
        if place is not None:
            return Btrfs(place)
    if mount is not None and wanted in (AUTO, "lvm") and (volume := makers.logical_volume(mount.source)) is not None:
        return volume
    raise NoMakerError(str(root), "nothing" if mount is None else mount.kind, wanted)


def take(
    root: Path,
    settings: Snapshotting,
    why: str,
    *,
    maker: Callable[[Path, str], Maker] = maker_of,
    warn: Callable[[str], None] = lambda line: None,
    clock: Callable[[], float] = time.time,
) -> Snapshot:
    """Make a snapshot of the system ``root``, record it with the reason ``why``, and remove snapshots beyond the retention.

    ``warn`` is called for old snapshots that could not be removed, and when a program takes long. Raises SnapshotError,
    NoMakerError, LockError, OSError.
    """
    record = root / RECORD
    files.make_directory(record.parent)
    with locks.held(record.with_suffix(".lock"), limits.SNAPSHOT_SECONDS):
        known, by = load(root), maker(root, settings.maker)
        number, now = max((one.number for one in known), default=0) + 1, int(clock())
        with _announced(f"making a snapshot of {root} with {by.name} …", warn):
            made = by.make(f"{number}-{time.strftime('%Y-%m-%d', time.gmtime(now))}", why)
        missing = tuple(map(str, apart(root, mounts())))
        found = Snapshot(number, by.name, made, now, why[: limits.SNAPSHOT_WHY], installed(root), missing)
        known.append(found)
        # Record the new snapshot first, in case removing an old one fails.
        _save(record, known)
        kept = _pruned(known, by, settings.keep, warn)
        if kept != known:
            _save(record, kept)
    return found


def _pruned(known: list[Snapshot], by: Maker, keep: int, warn: Callable[[str], None]) -> list[Snapshot]:
    own = [one for one in known if one.maker == by.name]
    gone: set[int] = set()
    for one in own[:-keep]:
        try:
            if not by.prunes:
                with _announced(f"removing the old snapshot {one.number} with {by.name} …", warn):
                    by.remove(one.made)
            gone.add(one.number)
        except SnapshotError as error:
            warn(f"cannot remove the old snapshot {one.number}: {error}")
            if not os.path.lexists(one.made) and by.name == "btrfs":
                gone.add(one.number)  # somebody has removed it by hand
    return [one for one in known if one.number not in gone]


@contextmanager
def _announced(text: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Call ``tell`` with ``text`` if what follows takes longer than a wait that needs no announcement."""
    timer = threading.Timer(limits.LOCK_SILENT, tell, (text,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def installed(root: Path) -> tuple[str, ...]:
    """The CPVs of the packages in the vdb below ``root``."""
    return tuple(
        sorted(f"{one.parent.name}/{one.name}" for one in (root / "var/db/pkg").glob("*/*") if not one.name.startswith("-"))
    )


def load(root: Path) -> list[Snapshot]:
    """The snapshots of the record, oldest first; none if there is no record. Raises SnapshotError if it cannot be read."""
    path = root / RECORD
    try:
        with path.open("rb") as file:
            data = file.read(limits.OWN_RECORD + 1)
        if len(data) > limits.OWN_RECORD:
            raise ValueError("it is too large")
        return [
            Snapshot(
                int(one["number"]),
                str(one["maker"]),
                str(one["made"]),
                int(one["when"]),
                str(one["why"]),
                tuple(map(str, one["installed"])),
                tuple(map(str, one["missing"])),
            )
            for one in json.loads(data)["snapshots"]
        ]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise SnapshotError(
            "snapshots", f"{path} cannot be read ({error}). Move it away; the snapshots themselves stay"
        ) from error


def _save(path: Path, known: Sequence[Snapshot]) -> None:
    files.replace_file(path, json.dumps({"format": 1, "snapshots": [asdict(one) for one in known]}).encode())


def difference(before: Snapshot, now: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The packages that are only in ``now``, and those that are only in the snapshot ``before``."""
    old, new = set(before.installed), set(now)
    return tuple(sorted(new - old)), tuple(sorted(old - new))
