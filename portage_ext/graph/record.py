"""What a running emerge says of itself in two files beside Portage's own: its plan, once, and what it does, each second.

``portage-ext-<pid>.plan.json`` and ``….json`` in the directory of host/running.py. The second repeats the word ``plan`` of the
first, so that a reader never takes places of one list for those of another. Read by allow-list: anything else is an error.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, TypeVar

from portage_ext import limits
from portage_ext.errors.watching import WatchFileError
from portage_ext.graph.plan import Kind, Moment, Node, Plan, Running
from portage_ext.limits import views as bounds

FORMAT: Final = 1
_NAME: Final = re.compile(r"portage-ext-([1-9]\d{0,9})\.json")
_CPV: Final = re.compile(r"[A-Za-z0-9+_.-]{1,128}/[A-Za-z0-9+_.-]{1,256}")
_WORD: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_TEXT: Final = 4096
_T = TypeVar("_T")


def plan_path(directory: Path, pid: int) -> Path:
    return directory / f"portage-ext-{pid}.plan.json"


def state_path(directory: Path, pid: int) -> Path:
    return directory / f"portage-ext-{pid}.json"


def pids(directory: Path) -> list[int]:
    """Of the emerges that have left a state here, running or not."""
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    return sorted(int(match[1]) for name in names if (match := _NAME.fullmatch(name)))


def began(pid: int) -> int | None:
    """When the process began, in ticks since boot: it and the pid name a process for good. None when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        return int(text.rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


# --- written


def plan_text(plan: Plan, pid: int, start: int, word: str) -> bytes:
    """``start`` is :func:`began` of the emerge, ``word`` names this list among those of the same emerge."""
    packages = [[node.cpv, str(node.kind), node.root, node.seconds] for node in plan.nodes]
    return _text({"pid": pid, "start": start, "plan": word, "packages": packages, "needs": plan.needs})


def state_text(moment: Moment, pid: int, start: int, word: str) -> bytes:
    running = [[one.package, one.phase, round(one.since, 1), one.log] for one in moment.running]
    return _text(
        {
            "pid": pid,
            "start": start,
            "plan": word,
            "taken": round(moment.taken, 1),
            "jobs": moment.jobs,
            "running": running,
            "done": sorted(moment.done),
            "failed": sorted(moment.failed),
            "fetching": moment.fetching,
        }
    )


def _text(value: dict[str, Any]) -> bytes:
    return json.dumps({"format": FORMAT, **value}, separators=(",", ":")).encode("ascii") + b"\n"


# --- read


def plan_of(data: bytes, path: str) -> tuple[Plan, int, int, str]:
    """The plan, and pid, start and word as they were written. Raises WatchFileError."""
    reader = _Reader(data, path)
    rows, needs = reader.array("packages", bounds.WATCHED_PACKAGES), reader.array("needs", bounds.WATCHED_PACKAGES)
    nodes = tuple(reader.each(rows, _node))
    if len(needs) != len(nodes) or sum(len(one) if isinstance(one, list) else 0 for one in needs) > bounds.WATCHED_EDGES:
        raise WatchFileError(path, "it does not say for each package what it needs")
    edges = tuple(tuple(reader.places(below, len(nodes))) for below in needs)
    return Plan(nodes, edges), reader.number("pid"), reader.number("start"), reader.word("plan")


def state_of(data: bytes, path: str, packages: int) -> tuple[Moment, int, int, str]:
    """The moment, of a plan of so many ``packages``, and pid, start and word. Raises WatchFileError."""
    reader = _Reader(data, path)

    def running(row: list[Any]) -> Running:
        package, phase, since, log = row
        (place,) = reader.places([package], packages)
        if not (isinstance(phase, str) and _WORD.fullmatch(phase) and isinstance(log, str) and len(log) <= _TEXT):
            raise ValueError(phase)
        return Running(place, phase, seconds(since), log)

    moment = Moment(
        taken=reader.each([reader.value("taken")], seconds)[0],
        running=tuple(reader.each(reader.array("running", packages), running)),
        done=frozenset(reader.places(reader.value("done"), packages)),
        failed=frozenset(reader.places(reader.value("failed"), packages)),
        fetching=tuple(reader.places(reader.value("fetching"), packages)),
        jobs=reader.number("jobs"),
    )
    return moment, reader.number("pid"), reader.number("start"), reader.word("plan")


def _node(row: list[Any]) -> Node:
    cpv, kind, root, taken = row
    if not (isinstance(cpv, str) and _CPV.fullmatch(cpv) and isinstance(root, str) and len(root) <= _TEXT):
        raise ValueError(cpv)
    return Node(cpv, Kind(kind), root, None if taken is None else seconds(taken))


def seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= limits.MAX_TIME or math.isnan(value):
        raise ValueError(value)
    return float(value)


class _Reader:
    """The object in ``data``. Everything raises WatchFileError with ``path``."""

    def __init__(self, data: bytes, path: str) -> None:
        self._path = path
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise WatchFileError(path, f"it is no JSON ({type(error).__name__})") from error
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise WatchFileError(path, f"it is not of format {FORMAT}")
        self._values: dict[str, Any] = value

    def value(self, key: str) -> Any:
        if key not in self._values:
            raise WatchFileError(self._path, f"it has no {key}")
        return self._values[key]

    def number(self, key: str) -> int:
        value = self.value(key)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
            raise WatchFileError(self._path, f"{key} is no number")
        return value

    def word(self, key: str) -> str:
        value = self.value(key)
        if not isinstance(value, str) or not _WORD.fullmatch(value):
            raise WatchFileError(self._path, f"{key} is no word")
        return value

    def array(self, key: str, most: int) -> list[Any]:
        value = self.value(key)
        if not isinstance(value, list) or len(value) > most:
            raise WatchFileError(self._path, f"{key} is no list of at most {most}")
        return value

    def each(self, rows: Iterable[Any], make: Callable[[Any], _T]) -> list[_T]:
        try:
            return [make(row) for row in rows]
        except (TypeError, ValueError) as error:
            raise WatchFileError(self._path, "one of its packages cannot be read") from error

    def places(self, value: object, packages: int) -> list[int]:
        """Places in a list of so many packages."""
        if not isinstance(value, list) or not all(type(one) is int and 0 <= one < packages for one in value):
            raise WatchFileError(self._path, "it names packages that are not in its list")
        return value
