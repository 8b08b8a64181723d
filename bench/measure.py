"""Whole processes, measured by the kernel: wall time and peak memory of each finished run, medians over several."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Sample = tuple[float, float, float]
"""Wall seconds, CPU seconds, and MiB of one run."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Medians over ``runs`` runs: ``seconds`` of wall time, ``cpu`` seconds of user and system time, ``mib`` of peak memory.

    ``spread`` are the least and the greatest wall time, ``cpu_spread`` those of CPU time.
    """

    seconds: float
    cpu: float
    mib: float
    runs: int
    spread: tuple[float, float]
    cpu_spread: tuple[float, float]

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Figure:
        walls, cpus, mibs = zip(*samples, strict=True)
        wall, cpu, mib = (statistics.median(values) for values in (walls, cpus, mibs))
        return cls(wall, cpu, mib, len(samples), (min(walls), max(walls)), (min(cpus), max(cpus)))

    def __str__(self) -> str:
        if self.runs == 1:
            return f"{self.seconds:.3g} s, CPU {self.cpu:.3g}, 1 run"
        wall, cpu = (f"{least:.3g} to {greatest:.3g}" for least, greatest in (self.spread, self.cpu_spread))
        return f"{self.seconds:.3g} s ({wall}), CPU {self.cpu:.3g} ({cpu}), {self.runs} runs"


@dataclass(frozen=True, slots=True)
class Command:
    """Something to run: ``before`` prepares each run and is not measured.

    A slow one is not run again once its runs have taken ``most`` seconds.
    """

    name: str
    words: Sequence[str]
    environment: Mapping[str, str]
    before: Callable[[], None] = lambda: None
    statuses: tuple[int, ...] = (0,)
    most: float = math.inf


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


def once(command: Command, output: Path | None = None) -> Sample:
    """Run ``command`` once; raises RuntimeError when its exit status is not among those expected."""
    command.before()
    spawner = [sys.executable, "-I", "-S", "-c", _SPAWN, str(output or os.devnull), *command.words]
    done = subprocess.run(spawner, env=dict(command.environment), stdout=subprocess.PIPE, check=True)
    status, seconds, cpu, mib = json.loads(done.stdout)
    if status not in command.statuses:
        raise RuntimeError(f"{' '.join(command.words)}: exit status {status}")
    return seconds, cpu, mib


def interleaved(commands: Sequence[Command], runs: int) -> dict[str, Figure]:
    """Run all of ``commands`` in turn, again and again, so that a drift of the machine meets them all alike."""
    samples: dict[str, list[Sample]] = {command.name: [] for command in commands}
    for _ in range(runs):
        for command in commands:
            taken = samples[command.name]
            if sum(one[0] for one in taken) < command.most:
                taken.append(once(command))
    return {name: Figure.of(taken) for name, taken in samples.items()}


def compare(commands: Sequence[Command], runs: int = 7) -> dict[str, Figure]:
    """The same after a first round that is not counted: it warms the caches."""
    for command in commands:
        once(command)
    return interleaved(commands, runs)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned text; the first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
