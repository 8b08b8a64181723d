"""A snapshot is made by one of these programs: snapper, btrfs, ZFS or LVM.

A maker returns a name for each snapshot and removes only snapshots by such names.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from portage_ext import files, limits, shown
from portage_ext.errors.snapshots import SnapshotError
from portage_ext.snapshots.mounts import Mount

DIRECTORY: Final = ".portage-ext-snapshots"
"""The directory in a btrfs subvolume that holds its snapshots."""
_SUBVOLUME: Final = 256
"""The inode number of the top directory of each btrfs subvolume (BTRFS_FIRST_FREE_OBJECTID)."""


class Maker(Protocol):
    """Makes snapshots of one file system."""

    @property
    def name(self) -> str: ...

    @property
    def prunes(self) -> bool:
        """Whether the program removes old snapshots by its own settings."""
        ...

    def make(self, name: str, description: str) -> str:
        """Make a snapshot and return its name, for :meth:`remove` and for a person who restores it. Raises SnapshotError."""
        ...

    def remove(self, made: str) -> None:
        """Remove a snapshot. Raises SnapshotError."""
        ...


@dataclass(frozen=True, slots=True)
class Snapper:
    """snapper(8), with its configuration ``root``."""

    name: str = "snapper"
    prunes: bool = True

    def make(self, name: str, description: str) -> str:
        words = ("snapper", "create", "--type", "single", "--cleanup-algorithm", "number", "--print-number")
        return _run(*words, "--description", description).strip()

    def remove(self, made: str) -> None:
        _run("snapper", "delete", made)


@dataclass(frozen=True, slots=True)
class Btrfs:
    """Read-only snapshots of the subvolume ``subvolume``, below it."""

    subvolume: Path
    name: str = "btrfs"
    prunes: bool = False

    def make(self, name: str, description: str) -> str:
        directory = self.subvolume / DIRECTORY
        try:
            files.make_directory(directory, 0o700)
        except OSError as error:
            raise SnapshotError(self.name, f"{directory}: {error.strerror}") from error
        _run("btrfs", "subvolume", "snapshot", "-r", str(self.subvolume), str(directory / name))
        return str(directory / name)

    def remove(self, made: str) -> None:
        _run("btrfs", "subvolume", "delete", made)


@dataclass(frozen=True, slots=True)
class Zfs:
    """Snapshots of a dataset. The description is stored as a property of the snapshot."""

    dataset: str
    name: str = "zfs"
    prunes: bool = False

    def make(self, name: str, description: str) -> str:
        made = f"{self.dataset}@portage-ext-{name}"
        _run("zfs", "snapshot", "-o", f"portage-ext:description={description[:1024]}", made)
        return made

    def remove(self, made: str) -> None:
        _run("zfs", "destroy", made)


@dataclass(frozen=True, slots=True)
class Lvm:
    """Snapshots of a logical volume. A snapshot that is not thin gets a tenth of the size of its origin and becomes invalid if
    more than that changes."""

    volume: str
    thin: bool
    name: str = "lvm"
    prunes: bool = False

    def make(self, name: str, description: str) -> str:
        group = self.volume.partition("/")[0]
        size = () if self.thin else ("--extents", "10%ORIGIN")
        called = f"portage-ext-{name}"
        _run("lvcreate", "--snapshot", *size, "--name", called, self.volume)
        return f"{group}/{called}"

    def remove(self, made: str) -> None:
        _run("lvremove", "--yes", made)


def subvolume(directory: Path, mount: Mount) -> Path | None:
    """The top directory of the btrfs subvolume that contains ``directory``; None if it is not below the mount point."""
    place = Path(os.path.realpath(directory))
    while True:
        if place.stat().st_ino == _SUBVOLUME:
            return place
        if place in (mount.point, place.parent):
            return None
        place = place.parent


def logical_volume(source: str) -> Lvm | None:
    """The logical volume of the device ``source``; None if it is not one."""
    if not source.startswith("/dev/") or shutil.which("lvs") is None:
        return None
    try:
        words = (
            _run("lvs", "--noheadings", "--separator", "/", "--options", "vg_name,lv_name,pool_lv", source).strip().split("/")
        )
    except SnapshotError:
        return None
    return Lvm(f"{words[0]}/{words[1]}", bool(words[2])) if len(words) == 3 else None


def snapper_ready() -> bool:
    """Whether snapper is installed and has a configuration for the system."""
    return shutil.which("snapper") is not None and Path("/etc/snapper/configs/root").is_file()


def _run(*words: str) -> str:
    return run(words)


def run(words: Sequence[str]) -> str:
    """Run a command and return its output. Raises SnapshotError."""
    try:
        done = subprocess.run(
            list(words), stdin=subprocess.DEVNULL, capture_output=True, timeout=limits.SNAPSHOT_SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise SnapshotError(words[0], f"{words[0]} is not installed") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SnapshotError(words[0], shown.short(error)) from error
    if done.returncode:
        said = shown.line(done.stderr.decode("utf-8", "replace").strip()[-300:])
        raise SnapshotError(words[0], f"{' '.join(words[:3])} ended with status {done.returncode}: {said or 'it said nothing'}")
    return done.stdout.decode("utf-8", "replace")
