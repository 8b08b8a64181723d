"""A pure function decides which waiting job starts on which builder, and why each other job waits; it is fast for thousands.

Hard constraints always apply: the environment of the target, the CPU, memory, disk space, and that a job is confirmed by
another trust group than the one that has built it. Builders that failed at the job before are used only if no other fits.
Jobs are then considered by *standing*: the priority of the request, plus one for each ``AGEING`` seconds of waiting, so that no
job waits forever. With equal standing, the client with the fewest running jobs comes first, then the target with the fewest,
then the oldest request. Of the builders that fit, the one with the fewest recent failures and the lowest load is chosen.
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
"""After waiting for this number of seconds, the priority of a request increases by one."""
_X86: Final = re.compile(r"i[3-6]86")
_NAMED: Final = 3
"""The maximum number of builders that are named in a reason."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The requirements of a job. Jobs with equal requirements fit the same builders.

    ``environment`` is the digest of the target's environment. ``features`` are the CPU features that its code needs, None if
    unknown. ``memory`` and ``disk`` are in bytes. ``avoided`` are the builders that failed at this job. ``voted`` are the
    builders, and ``groups`` their trust groups, that have built it; another group must confirm it.
    """

    target: str
    environment: str
    machine: str
    features: frozenset[str] | None
    memory: int = 0
    disk: int = 0
    avoided: frozenset[str] = frozenset()
    voted: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued job. ``blocked`` says why no builder can build it yet. ``created`` is in seconds since the epoch.

    ``client`` is the client for which it is built, empty if it is for the coordinator itself."""

    key: str
    wish: Wish
    priority: int = 0
    created: float = 0.0
    blocked: str = ""
    client: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """The state of a builder. ``labels`` is None until it has connected; ``closed`` says why it takes no jobs. ``group`` is
    the trust group that the administrator of the coordinator has put it in."""

    name: str
    labels: Labels | None
    running: tuple[str, ...] = ()
    closed: str = ""
    failures: int = 0
    slots: int = 1
    group: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """``assigned`` has the keys of the jobs to start, in order, each with its builder; ``reasons`` has all other jobs."""

    assigned: tuple[tuple[str, str], ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)


def misfit(wish: Wish, machine: Machine) -> str:
    """Why ``machine`` cannot run a job with these requirements at all; empty if it can."""
    labels = machine.labels
    if machine.name in wish.voted or machine.group in wish.groups:
        group = f"its group {machine.group}" if machine.group else "a builder without a group"
        return "it has built it already" if machine.name in wish.voted else f"{group} has built it already"
    if labels is None:
        return "it has not connected since the coordinator started"
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
    """Whether code for ``wanted`` (the first part of a CHOST) runs on ``machine`` (as reported by uname)."""
    return wanted == machine or (machine == "x86_64" and _X86.fullmatch(wanted) is not None)


def decide(jobs: Sequence[Waiting], machines: Sequence[Machine], running: Iterable[tuple[str, str]], now: float) -> Decision:
    """Decide which jobs start now. ``running`` has the client and the target of each running job; ``now`` is in seconds since
    the epoch."""
    fitting = _Fitting(machines)
    free = {one.name: one.slots - len(one.running) for one in machines}
    share = _Share(running)
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
        share.add(job.client, job.wish.target)
        assigned.append((job.key, builder.name))
    return Decision(tuple(assigned), reasons)


class _Fitting:
    """Finds and caches the builders that fit the requirements of jobs."""

    def __init__(self, machines: Sequence[Machine]) -> None:
        self._machines = machines
        self._known: dict[Wish, list[Machine]] = {}
        self._refusals: dict[Wish, str] = {}
        self._waits: dict[Wish, str] = {}

    def of(self, wish: Wish) -> list[Machine]:
        """The builders that could run the job, including closed ones. Builders that failed at it are used only if no other
        fits."""
        if wish not in self._known:
            fits = [one for one in self._machines if not misfit(wish, one)]
            fresh = [one for one in fits if one.name not in wish.avoided and not one.closed]
            self._known[wish] = fresh or fits
        return self._known[wish]

    def reason(self, wish: Wish, candidates: Sequence[Machine], passed: int) -> str:
        """Why none of ``candidates`` takes the job now. ``passed`` is the number of jobs before it that also wait for a
        builder."""
        if not self._machines:
            return "there is no builder: add one with `portage-ext coordinator add NAME`"
        if not candidates:
            return self._refused(wish)
        if wish not in self._waits:
            busy = ", ".join(one.name for one in candidates if not one.closed)
            if not busy:
                told = _listed((one.name, one.closed) for one in candidates)
                self._waits[wish] = f"{_to_confirm(wish)}every builder that can run it is closed: {told}"
            else:
                who = busy if len(busy) < 80 else f"{len(candidates)} can run it"
                self._waits[wish] = f"{_to_confirm(wish)}waits for a free builder ({who})"
        return self._waits[wish] + (f", behind {passed} other job{'' if passed == 1 else 's'}" if passed else "")

    def _refused(self, wish: Wish) -> str:
        if wish not in self._refusals:
            told = _listed((one.name, misfit(wish, one)) for one in self._machines)
            self._refusals[wish] = f"{_to_confirm(wish)}no builder can run it: {told}"
        return self._refusals[wish]


def _to_confirm(wish: Wish) -> str:
    """What to say first about a job that was built by one group."""
    return (
        f"{', '.join(sorted(wish.voted)) or 'this host'} has built it, and another group must confirm it: "
        if wish.groups
        else ""
    )


def _listed(pairs: Iterable[tuple[str, str]]) -> str:
    every = list(pairs)
    more = f"; and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return "; ".join(f"{name}: {why}" for name, why in every[:_NAMED]) + more


def _best(candidates: Iterable[Machine], free: Mapping[str, int]) -> Machine | None:
    able = [one for one in candidates if not one.closed and free[one.name] > 0]
    return min(able, key=_burden, default=None)


def _burden(one: Machine) -> tuple[int, int, float, str]:
    return one.failures, len(one.running), one.labels.load if one.labels else 0.0, one.name


class _Share:
    """How many running jobs each client and each target has."""

    def __init__(self, running: Iterable[tuple[str, str]]) -> None:
        self._clients: dict[str, int] = defaultdict(int)
        self._targets: dict[str, int] = defaultdict(int)
        for client, target in running:
            self.add(client, target)

    def add(self, client: str, target: str) -> None:
        self._clients[client] += 1
        self._targets[target] += 1

    def of(self, client: str, target: str) -> tuple[int, int]:
        return self._clients[client], self._targets[target]


def _by_standing(jobs: Sequence[Waiting], share: _Share, now: float) -> Iterable[Waiting]:
    """Yield the jobs in the order in which they are considered. ``share`` is read for each job, because it grows meanwhile."""
    queues: dict[tuple[int, str, str], list[Waiting]] = defaultdict(list)
    for job in jobs:
        queues[-standing(job, now), job.client, job.wish.target].append(job)
    for queue in queues.values():
        queue.sort(key=lambda one: (-one.created, one.key), reverse=False)
    heads = [
        (level, share.of(client, target), queue[-1].created, client, target)
        for (level, client, target), queue in queues.items()
    ]
    heapq.heapify(heads)
    while heads:
        level, had, created, client, target = heapq.heappop(heads)
        if had != (has := share.of(client, target)):
            heapq.heappush(heads, (level, has, created, client, target))
            continue
        queue = queues[level, client, target]
        yield queue.pop()
        if queue:
            heapq.heappush(heads, (level, share.of(client, target), queue[-1].created, client, target))


def standing(job: Waiting, now: float) -> int:
    """The standing of a job: its priority plus one for each AGEING seconds of waiting."""
    return job.priority + int(max(0.0, now - job.created) // AGEING)
