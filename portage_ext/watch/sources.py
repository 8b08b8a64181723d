"""Running emerges are found through the files that they write: ours, or else Portage's own (FEATURES=observability).

Every user who can read these files can watch. A file is ignored if its process has ended or its process id was used again.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from portage_ext.errors.watching import WatchFileError
from portage_ext.graph import record
from portage_ext.graph.plan import Kind, Moment, Node, Plan, Running
from portage_ext.limits import views as limits

_PORTAGES: Final = re.compile(r"emerge-([1-9]\d{0,9})\.json")
_CPV: Final = re.compile(r"[A-Za-z0-9+_.-]{1,128}/[A-Za-z0-9+_.-]{1,256}")


@dataclass(frozen=True, slots=True)
class Emerge:
    """A running emerge. If only Portage's own file exists, ``plan`` has only the running packages and ``moment`` the counts.

    The builds for another machine are shown as an Emerge with ``pid`` 0 and the name of that machine as ``target``.
    """

    pid: int
    plan: Plan
    moment: Moment
    target: str = ""

    @property
    def title(self) -> str:
        return f"builds for {self.target}" if self.target else f"emerge[{self.pid}]"


class Watched:
    """The emerges with files below ``directory``, and those that ``others`` returns. Each plan is read only once."""

    def __init__(self, directory: Path, others: Callable[[], Iterable[Emerge]] = tuple) -> None:
        self.directory = directory
        self._others = others
        self._plans: dict[tuple[int, int, str], Plan] = {}

    def running(self) -> list[Emerge]:
        """The running emerges by process id, then the others.

        Raises WatchFileError if the file of a running emerge cannot be read.
        """
        found: dict[int, Emerge] = {}
        for pid in record.pids(self.directory)[: limits.WATCHED_AT_ONCE]:
            if (emerge := self._ours(pid)) is not None:
                found[pid] = emerge
        for pid in self._portages():
            if pid not in found and (emerge := self._portage(pid)) is not None:
                found[pid] = emerge
        return [*(found[pid] for pid in sorted(found)), *self._others()]

    def _ours(self, pid: int) -> Emerge | None:
        began = record.began(pid)
        where = record.plan_path(self.directory, pid)
        data = bounded(record.state_path(self.directory, pid), limits.WATCHED_STATE)
        if data is None or began is None:
            return None
        path = str(record.state_path(self.directory, pid))
        moment, owner, start, word = record.state_of(data, path, limits.WATCHED_PACKAGES)
        if (owner, start) != (pid, began):
            return None
        key = (pid, start, word)
        if key not in self._plans:
            text = bounded(where, limits.WATCHED_PLAN)
            if text is None:
                return None
            plan, *written = record.plan_of(text, str(where))
            if tuple(written) != key:
                return None  # emerge is just writing the next list
            self._plans = {one: kept for one, kept in self._plans.items() if one[0] != pid} | {key: plan}
        plan = self._plans[key]
        moment, *_ = record.state_of(data, path, len(plan.nodes))
        return Emerge(pid, plan, moment)

    def _portages(self) -> list[int]:
        try:
            names = os.listdir(self.directory)
        except OSError:
            return []
        return sorted(int(match[1]) for name in names if (match := _PORTAGES.fullmatch(name)))[: limits.WATCHED_AT_ONCE]

    def _portage(self, pid: int) -> Emerge | None:
        """Read Portage's own file: the packages that run now, and only the number of those that follow."""
        path = self.directory / f"emerge-{pid}.json"
        data = bounded(path, limits.WATCHED_STATE)
        if data is None or record.began(pid) is None:
            return None
        try:
            value = json.loads(data)
            # As _emerge/_observability.py demands, ignore messages of other types.
            if not isinstance(value, dict) or value.get("type") != "snapshot" or value.get("emerge_pid") != pid:
                return None
            jobs, tasks = value["jobs"], value["tasks"][: limits.WATCHED_PACKAGES]
            nodes = tuple(_task(one) for one in tasks)
            taken = record.seconds(value["timestamp"])
            running = tuple(
                Running(place, _phase(one), record.seconds(one["start_time"] or taken)) for place, one in enumerate(tasks)
            )
            counts = (int(jobs["total"]), int(jobs["completed"]), int(jobs["failed"]))
            most = jobs["max"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise WatchFileError(str(path), f"it is no snapshot of Portage's ({type(error).__name__})") from error
        moment = Moment(taken, running, jobs=0 if most is True or not isinstance(most, int) else most, counts=counts)
        return Emerge(pid, Plan(nodes, ((),) * len(nodes)), moment)


def _task(value: dict[str, Any]) -> Node:
    cpv = value["cpv"]
    if not isinstance(cpv, str) or not _CPV.fullmatch(cpv):
        raise ValueError(cpv)
    return Node(cpv, Kind.BINARY if value["binary"] is True else Kind.EBUILD)


def _phase(value: dict[str, Any]) -> str:
    phase = value["phase"] or value["kind"]
    if not isinstance(phase, str) or not re.fullmatch(r"[a-z_-]{1,32}", phase):
        raise ValueError(phase)
    return phase


def bounded(path: Path, most: int, *, end: bool = False) -> bytes | None:
    """Read a regular file of at most ``most`` bytes, or with ``end`` its last ``most`` bytes; None if it does not exist.

    Raises OSError, WatchFileError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise WatchFileError(str(path), "it is no file")
        if end:
            file.seek(max(0, os.fstat(descriptor).st_size - most))
        data = file.read(most if end else most + 1)
    if len(data) > most:
        raise WatchFileError(str(path), f"it is larger than {most} bytes")
    return data
