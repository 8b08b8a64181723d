"""Whole processes, measured by the kernel: wall time and peak memory of each finished run, medians over several."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """Medians over ``runs`` runs: ``seconds`` of wall time, ``cpu`` seconds of user and system time, ``mib`` of peak memory."""

    seconds: float
    cpu: float
    mib: float
    runs: int


@dataclass(frozen=True, slots=True)
class Command:
    """Something to run: ``before`` prepares each run and is not measured."""

    name: str
    words: Sequence[str]
    environment: Mapping[str, str]
    before: Callable[[], None] = lambda: None
    statuses: tuple[int, ...] = (0,)


# The peak memory of a process counts what it was before exec, too: a small process must start the one that is measured.
_SPAWN = """
import json, os, sys, time
sink = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
null = os.open(os.devnull, os.O_RDONLY)
actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, sink, 1), (os.POSIX_SPAWN_DUP2, sink, 2)]
start = time.perf_counter()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ, file_actions=actions)
_, status, usage = os.wait4(pid, 0)
seconds = time.perf_counter() - start
print(json.dumps([os.waitstatus_to_exitcode(status), seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
"""


def once(command: Command, output: Path | None = None) -> tuple[float, float, float]:
    """Run ``command`` once; raises RuntimeError when its exit status is not among those expected."""
    command.before()
    spawner = [sys.executable, "-I", "-S", "-c", _SPAWN, str(output or os.devnull), *command.words]
    done = subprocess.run(spawner, env=dict(command.environment), stdout=subprocess.PIPE, check=True)
    status, seconds, cpu, mib = json.loads(done.stdout)
    if status not in command.statuses:
        raise RuntimeError(f"{' '.join(command.words)}: exit status {status}")
    return seconds, cpu, mib


def compare(commands: Sequence[Command], runs: int = 7) -> dict[str, Figure]:
    """Run all of ``commands`` in turn, again and again, so that a drift of the machine meets them all alike."""
    samples: dict[str, list[tuple[float, float, float]]] = {command.name: [] for command in commands}
    for round_number in range(runs + 1):
        for command in commands:
            sample = once(command)
            if round_number:  # the first round warms the caches
                samples[command.name].append(sample)
    return {
        name: Figure(*(statistics.median(values) for values in zip(*taken, strict=True)), runs=len(taken))
        for name, taken in samples.items()
    }


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned text; the first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
