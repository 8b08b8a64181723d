"""Processes that still use files which an update has replaced are found: the kernel marks such files "deleted" in
/proc/PID/maps.

Only executable mappings count. So files that a process has removed itself, such as shared memory, are not reported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext import limits

_MAP: Final = re.compile(r"^[0-9a-f]+-[0-9a-f]+ ..x\S* \S+ \S+ (?!0 )\d+\s+(?P<path>/.*) \(deleted\)$", re.M)
_MEMORY: Final = ("/memfd:", "/dev/", "/run/", "/tmp/", "/var/tmp/", "/SYSV")
_UNIT: Final = re.compile(r"/(?P<unit>[^/]+\.service)$", re.M)


@dataclass(frozen=True, slots=True)
class Stale:
    """A process: its service (empty if none), its name, and the replaced files that it still uses."""

    pid: int
    name: str
    service: str
    files: tuple[str, ...]


def stale(proc: Path = Path("/proc")) -> list[Stale]:
    """The processes below ``proc`` that this user may inspect, ordered by process id."""
    return sorted(_found(proc), key=lambda one: one.pid)


def _found(proc: Path) -> Iterator[Stale]:
    for name in os.listdir(proc):
        if not name.isdigit():
            continue
        directory = proc / name
        files = tuple(sorted(set(_MAP.findall(_read(directory / "maps")))))
        files = tuple(one for one in files if not one.startswith(_MEMORY))
        if files:
            unit = _UNIT.search(_read(directory / "cgroup"))
            yield Stale(int(name), _read(directory / "comm").strip() or "?", unit["unit"] if unit else "", files)


def _read(path: Path) -> str:
    """Read a file of a process; empty if the process has ended or belongs to another user."""
    try:
        with path.open("rb") as file:
            return file.read(limits.PROCESS_MAPS).decode("utf-8", "replace")
    except OSError:
        return ""


def advice(found: list[Stale]) -> list[str]:
    """One line for each service, and one for each other program."""
    services: dict[str, set[str]] = {}
    programs: dict[str, list[int]] = {}
    for one in found:
        if one.service and not one.service.startswith("user@"):
            services.setdefault(one.service, set()).update(one.files)
        else:
            programs.setdefault(one.name, []).append(one.pid)
    lines = [f"systemctl restart {name}  (it still runs {_named(files)})" for name, files in sorted(services.items())]
    return lines + [f"restart {name} (process {', '.join(map(str, pids))})" for name, pids in sorted(programs.items())]


def _named(files: set[str]) -> str:
    first = min(files)
    return first if len(files) == 1 else f"{first} and {len(files) - 1} more replaced files"
