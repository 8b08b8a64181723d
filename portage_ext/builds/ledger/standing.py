"""The state of jobs is read from the ledger: place in the queue, estimated duration, and why they wait; engines do not matter.

The estimate is the median duration of the last builds of the same package for any target.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from portage_ext.builds.ledger.entries import Entry
from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.limits import builds as limits

ENDED: Final = frozenset(("published", "failed", "cancelled"))


@dataclass(frozen=True, slots=True)
class Standing:
    """``ahead`` is the number of queued jobs before it; ``seconds`` is the estimated duration, None if unknown.

    ``runs`` is the seconds since its build started, None if it is not being built; ``reason`` says why it waits or how it
    ended.
    """

    entry: Entry
    ahead: int = 0
    seconds: float | None = None
    runs: int | None = None
    reason: str = ""

    @property
    def has_ended(self) -> bool:
        return self.entry.state in ENDED


def look(ledger: Ledger, keys: Sequence[str]) -> list[Standing]:
    """The state of each job in ``keys``, in the same order. Raises LedgerError."""
    queue = {key: number for number, key in enumerate(ledger.queue())}
    running = {attempt.key: attempt for attempt in ledger.running()}
    seconds = ledger.durations()
    found: list[Standing] = []
    for key in keys:
        entry = ledger.get(key)
        attempt = running.get(key)
        ahead = queue.get(key, 0)
        runs = max(0, int(ledger.now()) - attempt.started) if entry.state == "running" and attempt is not None else None
        found.append(Standing(entry, ahead, seconds.get(entry.cp), runs, entry.reason or _reason(ledger, entry, ahead)))
    return found


def follow(
    ledger: Ledger, keys: Sequence[str], *, seconds: float | None = None, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Standing]:
    """Yield each change of state of the jobs ``keys`` until all have ended or ``seconds`` have passed. Raises LedgerError."""
    until = None if seconds is None else time.monotonic() + seconds
    states: dict[str, str] = {}
    while True:
        found = look(ledger, keys)
        for one in found:
            if states.get(one.entry.key) != one.entry.state:
                states[one.entry.key] = one.entry.state
                yield one
        if all(one.has_ended for one in found) or (until is not None and time.monotonic() >= until):
            return
        sleep(limits.BUILD_LOOK)


def _reason(ledger: Ledger, entry: Entry, ahead: int) -> str:
    if entry.state == "queued":
        missing = [one for one in ledger.needs(entry.key) if one.state != "published"]
        if missing:
            return f"needs {', '.join(f'{one.job.cpv} ({one.state})' for one in missing)}"
        return f"waits for {ahead} job{'' if ahead == 1 else 's'} before it" if ahead else "is next"
    return "is to be published" if entry.state == "checked" else ""
