"""How long the rest of the list will take: never less than the longest chain, nor than all the work divided by the jobs.

A package that this host never merged counts as the middle of those that it did, binaries and builds each for themselves.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from portage_ext.graph.plan import Kind, Moment, Plan
from portage_ext.graph.reduction import longest_chain


class Estimate:
    """For one plan; made once, asked at every moment."""

    def __init__(self, plan: Plan, needs: Sequence[Sequence[int]]) -> None:
        self._needs = needs
        known: dict[Kind, list[float]] = {}
        for node in plan.nodes:
            if node.seconds is not None:
                known.setdefault(node.kind, []).append(node.seconds)
        middle = {kind: statistics.median(values) for kind, values in known.items()}
        self.known = bool(known)
        self._seconds = [node.seconds if node.seconds is not None else middle.get(node.kind, 0.0) for node in plan.nodes]

    def left(self, moment: Moment) -> float | None:
        """Seconds; None where emerge.log knows none of these packages."""
        if not self.known:
            return None
        begun = {one.package: max(0.0, moment.taken - one.since) for one in moment.running}
        over = moment.done | moment.failed
        left = [
            0.0 if package in over else max(0.0, seconds - begun.get(package, 0.0))
            for package, seconds in enumerate(self._seconds)
        ]
        jobs = moment.jobs or max(1, len(left))
        chain = longest_chain(self._needs, lambda package: left[package])
        return max(sum(left[one] for one in chain), sum(left) / jobs)


def span(seconds: float) -> str:
    """A duration as people say it: 40 s, 14 min, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{round(whole / 60)} min" if whole < 3570 else f"{(whole + 30) // 3600} h {(whole + 30) % 3600 // 60:02d} min"


def clock(seconds: float) -> str:
    """A duration in few columns: 0:07, 12:30, 2:05:00."""
    whole = max(0, round(seconds))
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
