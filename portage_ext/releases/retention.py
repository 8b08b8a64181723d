"""Which releases are removed: never a live release or one that clients may still read; of the rest, those beyond the limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from portage_ext import limits
from portage_ext.model.release import Release
from portage_ext.records import record


@record
class Keep:
    """What is kept of a channel: the newest ``count`` releases, whatever was live within ``age``, and within ``grace`` (s)."""

    count: int
    age: int
    grace: int


def expendable(known: Mapping[int, Release], live: Mapping[str, int], keep: Callable[[str], Keep], now: int) -> list[int]:
    """The numbers of the releases to remove, in order.

    A release was live until the next one of its channel was created; the skew between that and the switch is allowed for.
    """
    gone: list[int] = []
    for channel in {release.channel for release in known.values()}:
        numbers = sorted(number for number, release in known.items() if release.channel == channel)
        rule = keep(channel)
        for position, number in enumerate(numbers):
            if number >= live.get(channel, 0) or len(numbers) - position <= rule.count:
                continue
            until = known[numbers[position + 1]].created + limits.SWITCH_SKEW
            if until + max(rule.age, rule.grace) <= now:
                gone.append(number)
    return sorted(gone)
