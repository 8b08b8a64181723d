"""The requirements of queued jobs are read from the ledger, and read again only if something has changed.

A job has tens of kilobytes and a thousand may wait, so only the few columns that matter are read. The requirements of a target
are computed once for each capture.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from portage_ext.builds.ledger.entries import Waits
from portage_ext.builds.means import Means
from portage_ext.errors import PortageExtError
from portage_ext.policy.cpu import Needs
from portage_ext.swarm.scheduling import Waiting, Wish
from portage_ext.targets.differences import identity

_ESTIMATES: Final = 30.0
"""How long estimates are reused, in seconds."""


class Wishes:
    """Reads ``means.ledger`` and ``means.targets``."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._of_target: dict[str, tuple[str, Wish | str]] = {}
        self._tried: dict[tuple[str, int], tuple[frozenset[str], frozenset[str], frozenset[str]]] = {}
        self._estimates: tuple[float, dict[str, float]] = (0.0, {})
        self._whose: dict[str, tuple[str, str]] = {}
        self._may_read = 0

    def waiting(self) -> list[Waiting]:
        """The queued jobs. Jobs of a new target may be left out until a later call, because reading its capture takes long.

        Raises LedgerError, OSError.
        """
        found: list[Waiting] = []
        wishes: dict[str, Wish | str | None] = {}
        self._may_read = 1
        for one in self._means.ledger.waiting():
            self._whose[one.key] = (one.client, one.target)
            if one.target not in wishes:
                wishes[one.target] = self._wish(one.target)
            wish = wishes[one.target]
            if wish is None:
                continue
            if isinstance(wish, str):
                found.append(Waiting(one.key, _NOTHING, one.priority, one.created, wish, one.client))
                continue
            blocked = f"waits for {one.lacks} before it" if one.lacks else ""
            if one.fence:
                wish = self._without(wish, one)
            found.append(Waiting(one.key, wish, one.priority, one.created, blocked, one.client))
        return found

    def whose(self, keys: Iterable[str]) -> list[tuple[str, str]]:
        """The clients and targets of jobs that :meth:`waiting` has returned before."""
        return [self._whose.get(key, ("", "")) for key in keys]

    def durations(self) -> dict[str, float]:
        """Estimated build times in seconds by job key, for jobs whose package was built before. Raises LedgerError."""
        then, known = self._estimates
        if time.monotonic() - then > _ESTIMATES:
            known = self._means.ledger.durations()
            self._estimates = (time.monotonic(), known)
        return known

    def _wish(self, name: str) -> Wish | str | None:
        """The requirements of a target's jobs, or why none of them can be built; None if the capture is read at a later
        call."""
        store = self._means.targets
        try:
            capture = os.readlink(store.directory / name)
        except OSError:
            return f"there is no target {name} any more"
        known = self._of_target.get(name)
        if known is None or known[0] != capture:
            if not self._may_read:
                return None
            self._may_read -= 1
            try:
                target = store.load(name)
            except (PortageExtError, OSError) as error:
                known = (capture, f"its target cannot be read: {error}")
            else:
                needs = Needs.named(target.builder.cpu_needs).features if target.builder.cpu_needs else None
                machine = target.builder.chost.partition("-")[0]
                building = self._means.site.settings.building
                known = (capture, Wish(name, identity(target), machine, needs, building.memory))
            self._of_target[name] = known
        return known[1]

    def _without(self, wish: Wish, one: Waits) -> Wish:
        """The requirements of a job that was tried before: it avoids the builders that failed, if another one fits. The group
        that has built it cannot confirm it."""
        key = (one.key, one.fence)
        if key not in self._tried:
            attempts, votes = self._means.ledger.attempts(one.key), self._means.ledger.votes(one.key)
            self._tried[key] = (
                frozenset(_builder(attempt.runner) for attempt in attempts if attempt.failure in ("builder", "checks")),
                frozenset(filter(None, (_builder(vote.runner) for vote in votes))),
                frozenset(vote.group for vote in votes),
            )
        avoided, voted, groups = self._tried[key]
        return replace(wish, avoided=avoided, voted=voted, groups=groups)


def _builder(runner: str) -> str:
    """The name of a builder in the ledger; empty for this host."""
    return runner.partition(":")[2]


_NOTHING: Final = Wish("", "", "", None)
