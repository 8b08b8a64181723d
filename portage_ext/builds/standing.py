"""Where jobs stand: state, place in the queue, an estimate, and why they wait. Read from the ledger, whatever engine works.

The estimate is told by past attempts: the median of the last of the same package that were built, for whatever target.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from portage_ext import limits
from portage_ext.builds.ledger import Entry, Ledger

ENDED: Final = frozenset(("published", "failed", "cancelled"))


@dataclass(frozen=True, slots=True)
class Standing:
    """``ahead`` counts queued jobs that come first; ``seconds`` is how long this one takes by past builds, None if unknown.

    ``runs`` is for how many seconds it has been built now, None when it is not; ``reason`` why it waits, or how it ended.
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
    """The standing of each of ``keys``, in that order. Raises LedgerError."""
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
    """Each change of state of ``keys``, as it happens, until all have ended or ``seconds`` are over. Raises LedgerError."""
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
