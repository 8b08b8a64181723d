"""Which one change of this host's configuration would win most, over all the packages of a list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from portage_ext.explain.verdict import Change, Verdict


@dataclass(frozen=True, slots=True)
class Win:
    """What ``change`` alone would turn into binaries: ``packages`` of them, with known build times of ``seconds`` together."""

    change: Change
    packages: tuple[str, ...]
    seconds: float


def top_reasons(compiled: Iterable[Verdict]) -> list[tuple[str, int]]:
    """How many packages each kind of reason keeps from being binaries, the most frequent first, by their closest verdicts."""
    counts = Counter(kind for verdict in compiled for kind in {one.kind for one in verdict.reasons if one.blocks})
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def best_change(compiled: Iterable[tuple[Verdict, float | None]]) -> Win | None:
    """The change that is by itself enough for the most packages, of equal ones that which saves more time; None without one."""
    wins: dict[Change, list[tuple[str, float]]] = {}
    for verdict, seconds in compiled:
        blocking = [reason for reason in verdict.reasons if reason.blocks]
        changes = {reason.change for reason in blocking}
        if len(changes) == 1 and (change := changes.pop()) is not None:
            wins.setdefault(change, []).append((verdict.offer.cpv, seconds or 0.0))
    if not wins:
        return None
    change, won = max(wins.items(), key=lambda item: (len(item[1]), sum(seconds for _, seconds in item[1]), item[0].key))
    return Win(change, tuple(cpv for cpv, _ in won), sum(seconds for _, seconds in won))
