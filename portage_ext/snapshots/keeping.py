"""The snapshots that portage-ext has made, each with why and with what was installed; and the retention.

The record is ``<root>/var/lib/portage-ext/snapshots.json``. A snapshot that is in the record was made by us; nothing else is
removed. What was installed is in the record, so that a difference needs no snapshot to be mounted.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
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
    """``made`` is what its maker calls it, ``when`` seconds since 1970, ``why`` the merge list that followed in short."""

    number: int
    maker: str
    made: str
    when: int
    why: str
    installed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """Directories of the system that it does not hold, because they are other file systems."""


def maker_of(root: Path, wanted: str = AUTO) -> Maker:
    """Who makes snapshots of the system ``root``. Raises NoMakerError, OSError."""
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
    """Make a snapshot of the system ``root``, record it, and remove what retention does not keep. ``why`` describes it.

    ``warn`` hears of old snapshots that could not be removed. Raises SnapshotError, NoMakerError, LockError, OSError.
    """
    record = root / RECORD
    files.make_directory(record.parent)
    with locks.held(record.with_suffix(".lock"), limits.SNAPSHOT_SECONDS):
        known, by = load(root), maker(root, settings.maker)
        number, now = max((one.number for one in known), default=0) + 1, int(clock())
        made = by.make(f"{number}-{time.strftime('%Y-%m-%d', time.gmtime(now))}", why)
        missing = tuple(map(str, apart(root, mounts())))
        found = Snapshot(number, by.name, made, now, why[: limits.SNAPSHOT_WHY], installed(root), missing)
        known.append(found)
        # It counts from here on, also if an old one cannot be removed.
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
                by.remove(one.made)
            gone.add(one.number)
        except SnapshotError as error:
            warn(f"cannot remove the old snapshot {one.number}: {error}")
            if not os.path.lexists(one.made) and by.name == "btrfs":
                gone.add(one.number)  # a person has removed it
    return [one for one in known if one.number not in gone]


def installed(root: Path) -> tuple[str, ...]:
    """The packages (CPV) that the vdb below ``root`` has."""
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
    """The packages that ``now`` has and the snapshot has not, and the other way round."""
    old, new = set(before.installed), set(now)
    return tuple(sorted(new - old)), tuple(sorted(old - new))
