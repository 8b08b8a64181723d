"""What of the machine that runs the tests no test may touch, and how that is seen."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

MACHINE = (Path("/var/lib/portage-ext"), Path("/etc/portage"))


def state(places: Iterable[Path] = MACHINE) -> dict[str, tuple[int, int, int]]:
    """Each file and directory that is there, with what changes when it is written, replaced, or gets or loses an entry."""
    found: dict[str, tuple[int, int, int]] = {}
    waiting = [str(place) for place in places]
    while waiting:
        path = waiting.pop()
        try:
            status = os.lstat(path)
            found[path] = status.st_ino, status.st_mtime_ns, status.st_size
            if not os.path.islink(path) and os.path.isdir(path):
                waiting += [entry.path for entry in os.scandir(path)]
        except (FileNotFoundError, PermissionError):
            continue  # not there, or not this user's to write
    return found


def changes(before: dict[str, tuple[int, int, int]], after: dict[str, tuple[int, int, int]]) -> list[str]:
    """The paths that are other than before."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
