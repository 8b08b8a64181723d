"""The coordinator writes its status to a file, at most a few times a second, and `portage-ext swarm` shows it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from portage_ext import files
from portage_ext.errors.swarm import SwarmError
from portage_ext.swarm.scheduling import Machine

NAME: Final = "status.json"
ALIVE: Final = 20.0
"""A coordinator that wrote no status for this number of seconds is considered dead."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A builder: a summary of its labels, the job that it builds, and why it takes no jobs."""

    name: str
    group: str
    running: tuple[str, ...]
    closed: str
    failures: int
    machine: str = ""
    level: int = 0
    cpus: int = 0
    memory: int = 0
    disk: int = 0
    load: float = 0.0
    targets: tuple[str, ...] = ()

    @classmethod
    def of(cls, one: Machine, group: str) -> Seen:
        said = one.labels
        if said is None:
            return cls(one.name, group, one.running, one.closed, one.failures)
        return cls(
            one.name, group, one.running, one.closed, one.failures, said.machine, said.level, said.cpus, said.memory, said.disk,
            said.load, tuple(sorted(said.targets)),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Running:
    """A running attempt: its start (seconds since the epoch), and its estimated duration in seconds, None if unknown."""

    key: str
    builder: str
    started: int
    estimate: float | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """The status of the coordinator with this process id at ``time`` (seconds since the epoch).

    ``slowest`` is the duration of its longest step in seconds.
    """

    time: int
    pid: int
    builders: tuple[Seen, ...]
    running: tuple[Running, ...]
    slowest: float

    def write(self, directory: Path) -> None:
        """Write the status below ``directory``. Raises OSError."""
        files.replace_file(directory / NAME, json.dumps(asdict(self)).encode(), mode=0o600, lasting=False)

    @property
    def is_alive(self) -> bool:
        """Whether the coordinator that wrote it still runs."""
        return os.path.exists(f"/proc/{self.pid}") and time.time() - self.time < ALIVE


def read(directory: Path) -> Status:
    """Read the last status of the coordinator below ``directory``. Raises SwarmError, OSError."""
    try:
        found: Mapping[str, Any] = json.loads((directory / NAME).read_bytes())
        builders = tuple(
            Seen(**{**one, "running": tuple(one["running"]), "targets": tuple(one["targets"])}) for one in found["builders"]
        )
        return Status(
            found["time"], found["pid"], builders, tuple(Running(**one) for one in found["running"]), found["slowest"]
        )
    except FileNotFoundError:
        raise SwarmError("no coordinator has run here", "Start `portage-ext coordinator run`.") from None
    except (ValueError, TypeError, KeyError) as error:
        raise SwarmError(f"{directory / NAME} cannot be read ({error})", "Start the coordinator again.") from error
