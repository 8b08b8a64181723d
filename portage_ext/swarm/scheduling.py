"""Which waiting job goes to which builder now, and why each other one waits; pure, and fast for thousands of jobs.

Hard constraints come first and never give way: the environment of the target, the CPU, memory, disk, and who failed already.
Then the queue is walked by *standing*: the priority of the request, raised by one class for each ``AGEING`` seconds that it
waits, so that nothing starves. Among equals, the target with the fewest running jobs is next, then the oldest request. Of the
builders that fit, the one with the fewest recent failures and the least to do is chosen.
"""

from __future__ import annotations

import heapq
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from portage_ext.swarm.labels import Labels
from portage_ext.words import size

AGEING: Final = 2 * 3600
"""A request that waited for so many seconds counts as one of the next class."""
_X86: Final = re.compile(r"i[3-6]86")
_NAMED: Final = 3
"""Builders whose reasons are told."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a job needs of a builder. Jobs with equal wishes fit the same builders.

    ``environment`` is the digest of the target's environment; ``features`` what its code needs of the CPU, None if unknown;
    ``memory`` and ``disk`` are bytes; ``avoided`` are the builders that failed at this job.
    """

    target: str
    environment: str
    machine: str
    features: frozenset[str] | None
    memory: int = 0
    disk: int = 0
    avoided: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued job: ``blocked`` says why it cannot be built yet, whoever is free. ``created`` is in seconds since the epoch."""

    key: str
    wish: Wish
    priority: int = 0
    created: float = 0.0
    blocked: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """A builder as the coordinator sees it. ``labels`` is None before it ever connected, ``closed`` why it takes nothing."""

    name: str
    labels: Labels | None
    running: tuple[str, ...] = ()
    closed: str = ""
    failures: int = 0
    slots: int = 1


@dataclass(frozen=True, slots=True)
class Decision:
    """``assigned`` are keys with the builder of each, in the order in which they start; ``reasons`` are for all others."""

    assigned: tuple[tuple[str, str], ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)


def misfit(wish: Wish, machine: Machine) -> str:
    """Why ``machine`` can never run a job of this wish as it is; empty when it can."""
    labels = machine.labels
    if labels is None:
        return "it has never connected"
    if wish.target not in labels.targets:
        return f"it has no environment of {wish.target}"
    if labels.targets[wish.target] != wish.environment:
        return f"its environment of {wish.target} differs from the target"
    if wish.machine and not _runs(wish.machine, labels.machine):
        return f"it is {labels.machine or 'of an unknown kind'}, not {wish.machine}"
    if wish.features is not None and (lacking := sorted(wish.features - labels.features)):
        return f"its CPU lacks {' '.join(lacking[:4])}"
    if wish.memory > labels.memory:
        return f"it has {size(labels.memory)} of memory, and a build may need {size(wish.memory)}"
    if wish.disk > labels.disk:
        return f"it has {size(labels.disk)} of disk left, and a build may need {size(wish.disk)}"
    return ""


def _runs(wanted: str, machine: str) -> bool:
    """Whether code of the first part of a CHOST runs on a machine as uname names it."""
    return wanted == machine or (machine == "x86_64" and _X86.fullmatch(wanted) is not None)


def decide(jobs: Sequence[Waiting], machines: Sequence[Machine], running: Mapping[str, int], now: float) -> Decision:
    """What starts now. ``running`` is the number of running jobs by target."""
    fitting = _Fitting(machines)
    free = {one.name: one.slots - len(one.running) for one in machines}
    share: dict[str, int] = defaultdict(int, running)
    assigned: list[tuple[str, str]] = []
    reasons = {one.key: one.blocked for one in jobs if one.blocked}
    passed = 0
    for job in _by_standing([one for one in jobs if not one.blocked], share, now):
        candidates = fitting.of(job.wish)
        builder = _best(candidates, free)
        if builder is None:
            reasons[job.key] = fitting.reason(job.wish, candidates, passed)
            passed += bool(candidates)
            continue
        free[builder.name] -= 1
        share[job.wish.target] += 1
        assigned.append((job.key, builder.name))
    return Decision(tuple(assigned), reasons)


class _Fitting:
    """Which builders fit a wish; each wish is looked at once."""

    def __init__(self, machines: Sequence[Machine]) -> None:
        self._machines = machines
        self._known: dict[Wish, list[Machine]] = {}
        self._refusals: dict[Wish, str] = {}
        self._waits: dict[Wish, str] = {}

    def of(self, wish: Wish) -> list[Machine]:
        """Those that could run it, closed ones too. Builders that failed at it count only where no other fits."""
        if wish not in self._known:
            fits = [one for one in self._machines if not misfit(wish, one)]
            fresh = [one for one in fits if one.name not in wish.avoided and not one.closed]
            self._known[wish] = fresh or fits
        return self._known[wish]

    def reason(self, wish: Wish, candidates: Sequence[Machine], passed: int) -> str:
        """Why nothing of ``candidates`` takes a job of this wish now; ``passed`` jobs that fit somewhere wait before it."""
        if not self._machines:
            return "there is no builder: add one with `portage-ext coordinator add NAME`"
        if not candidates:
            return self._refused(wish)
        if wish not in self._waits:
            busy = ", ".join(one.name for one in candidates if not one.closed)
            if not busy:
                told = _listed((one.name, one.closed) for one in candidates)
                self._waits[wish] = f"every builder that can run it is closed: {told}"
            else:
                self._waits[wish] = f"waits for a free builder ({busy if len(busy) < 80 else f'{len(candidates)} can run it'})"
        return self._waits[wish] + (f", behind {passed} other job{'' if passed == 1 else 's'}" if passed else "")

    def _refused(self, wish: Wish) -> str:
        if wish not in self._refusals:
            told = _listed((one.name, misfit(wish, one)) for one in self._machines)
            self._refusals[wish] = f"no builder can run it: {told}"
        return self._refusals[wish]


def _listed(pairs: Iterable[tuple[str, str]]) -> str:
    every = list(pairs)
    more = f"; and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return "; ".join(f"{name}: {why}" for name, why in every[:_NAMED]) + more


def _best(candidates: Iterable[Machine], free: Mapping[str, int]) -> Machine | None:
    able = [one for one in candidates if not one.closed and free[one.name] > 0]
    return min(able, key=_burden, default=None)


def _burden(one: Machine) -> tuple[int, int, float, str]:
    return one.failures, len(one.running), one.labels.load if one.labels else 0.0, one.name


def _by_standing(jobs: Sequence[Waiting], share: Mapping[str, int], now: float) -> Iterable[Waiting]:
    """The jobs in the order in which they are looked at; ``share`` is read again for each, since it grows on the way."""
    queues: dict[tuple[int, str], list[Waiting]] = defaultdict(list)
    for job in jobs:
        queues[-standing(job, now), job.wish.target].append(job)
    for queue in queues.values():
        queue.sort(key=lambda one: (-one.created, one.key), reverse=False)
    heads = [(level, share[target], queue[-1].created, target) for (level, target), queue in queues.items()]
    heapq.heapify(heads)
    while heads:
        level, had, created, target = heapq.heappop(heads)
        if had != share[target]:
            heapq.heappush(heads, (level, share[target], created, target))
            continue
        queue = queues[level, target]
        yield queue.pop()
        if queue:
            heapq.heappush(heads, (level, share[target], queue[-1].created, target))


def standing(job: Waiting, now: float) -> int:
    """The class in which a job waits: its priority, and one more for each AGEING seconds."""
    return job.priority + int(max(0.0, now - job.created) // AGEING)
