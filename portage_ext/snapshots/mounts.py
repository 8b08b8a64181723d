"""The file system of a directory is looked up in /proc/self/mountinfo (proc_pid_mountinfo(5))."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ESCAPED: Final = re.compile(r"\\([0-7]{3})")
SEPARATE: Final = ("usr", "var", "etc", "opt", "boot")
"""Directories of a system that may be separate file systems."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount: the mount point, the file system type, and the source (a device or a ZFS dataset)."""

    point: Path
    kind: str
    source: str


def mounts(text: str | None = None) -> list[Mount]:
    """Parse the mounts in ``text`` (None: read them from the kernel). Raises OSError."""
    found = []
    for line in (Path("/proc/self/mountinfo").read_text(errors="surrogateescape") if text is None else text).splitlines():
        before, _, after = line.partition(" - ")
        left, right = before.split(" "), after.split(" ")
        if len(left) > 4 and len(right) > 1:
            found.append(Mount(Path(_plain(left[4])), right[0], _plain(right[1])))
    return found


def holding(directory: Path, every: list[Mount]) -> Mount | None:
    """The mount that contains ``directory``: the one with the longest mount point, and of several the last."""
    real = Path(os.path.realpath(directory))
    fits = [one for one in every if real == one.point or one.point in real.parents]
    return max(enumerate(fits), key=lambda pair: (len(pair[1].point.parts), pair[0]))[1] if fits else None


def apart(root: Path, every: list[Mount]) -> list[Path]:
    """The directories of the system ``root`` that are not in a snapshot of its file system."""
    points = {one.point for one in every}
    return [root / name for name in SEPARATE if Path(os.path.realpath(root / name)) in points - {Path(os.path.realpath(root))}]


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), text)
