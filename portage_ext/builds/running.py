"""Running builds for other machines are read from the ledger as one graph per target, for `portage-ext watch`.

The graph of a target has its unfinished jobs, and the jobs that ended since the oldest of these was requested. A target without
a running build has none. This works the same with every engine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from portage_ext.builds.ledger.entries import Attempt, Entry
from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.graph import record
from portage_ext.graph.plan import Moment, Node, Plan, Running

_PHASE: Final = "build"
_HERE: Final = re.compile(r"([1-9]\d{0,9})\.[0-9a-f]{8}")
"""The runner of an attempt on this host: the process id and the name of its scratch directory (scratches.scratch)."""
_GOING: Final = frozenset(("queued", "running", "checked"))
_DONE: Final = frozenset(("checked", "published"))


def lists(ledger: Ledger, jobs: int = 0) -> list[tuple[str, Plan, Moment]]:
    """The graph of each target, sorted by name. ``jobs`` is how many builds may run at once. Raises LedgerError."""
    attempts = {one.key: one for one in ledger.running() if _lives(one)}
    seconds = ledger.durations()
    by_target: dict[str, list[Entry]] = {}
    for entry in ledger.entries():
        by_target.setdefault(entry.target, []).append(entry)
    found: list[tuple[str, Plan, Moment]] = []
    for target, entries in sorted(by_target.items()):
        going = [one for one in entries if one.state in _GOING]
        if not any(one.state == "running" and one.key in attempts for one in going):
            continue
        since = min(one.created for one in going)
        shown = [one for one in entries if one.state in _GOING or one.changed >= since]
        needs = {one.key: [below.key for below in ledger.needs(one.key)] for one in shown}
        found.append((target, *_list(_ordered(shown, needs), needs, attempts, seconds, ledger.now(), jobs)))
    return found


def _list(
    entries: Sequence[Entry],
    needs: Mapping[str, Sequence[str]],
    attempts: Mapping[str, Attempt],
    seconds: Mapping[str, float],
    now: float,
    jobs: int,
) -> tuple[Plan, Moment]:
    places = {one.key: place for place, one in enumerate(entries)}
    edges = (tuple(sorted(places[below] for below in needs[one.key] if below in places)) for one in entries)
    plan = Plan(tuple(Node(one.job.cpv, seconds=seconds.get(one.cp)) for one in entries), tuple(edges))
    working = [(places[one.key], attempts[one.key]) for one in entries if one.state == "running" and one.key in attempts]
    moment = Moment(
        now,
        tuple(Running(place, _PHASE, float(attempt.started), attempt.log) for place, attempt in working),
        frozenset(places[one.key] for one in entries if one.state in _DONE),
        frozenset(places[one.key] for one in entries if one.state == "failed"),
        jobs=jobs,
    )
    return plan, moment


def _ordered(entries: Sequence[Entry], needs: Mapping[str, Sequence[str]]) -> list[Entry]:
    """Sort the jobs so that each comes after those that it needs; otherwise they keep the order of the requests."""
    # The needs of a job include the needs of those jobs. So sorting by the number of needs gives a valid order.
    return sorted(entries, key=lambda one: len(needs[one.key]))


def _lives(attempt: Attempt) -> bool:
    """Whether the runner of the attempt still exists. A runner on another host is assumed to exist."""
    match = _HERE.fullmatch(attempt.runner)
    return match is None or record.began(int(match[1])) is not None
