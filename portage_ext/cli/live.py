"""What becomes of jobs, told while they are worked: each change of state, and what the builds say.

It reads the ledger and the logs in a thread of its own, so whatever engine builds, here or elsewhere, the view is the same.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.builds.ledger.standing import Standing, look
from portage_ext.builds.means import Means
from portage_ext.cli.screen import Screen
from portage_ext.limits import builds as limits
from portage_ext.words import spell

_LONGEST: Final = 64 * 1024
"""Bytes of a log that are shown at a time."""


@contextlib.contextmanager
def followed(means: Means, keys: Sequence[str], screen: Screen, *, logs: bool) -> Iterator[None]:
    """Tell what becomes of ``keys`` while the block runs; with ``logs`` also each line that their builds say."""
    over = threading.Event()
    thread = threading.Thread(target=_follow, args=(means, keys, screen, logs, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def log(means: Means, key: str, screen: Screen) -> None:
    """Print the log of the last attempt at a job as it grows, until the attempt has ended."""
    tail = _Tail(means.places.log(key, means.ledger.get(key).fence))
    wait = threading.Event()
    while means.ledger.get(key).state == "running":
        tail.show(screen)
        wait.wait(limits.BUILD_LOOK)
    tail.show(screen, all_of_it=True)


@dataclass(slots=True)
class _Tail:
    """The end of a log that was not shown yet. A line is shown when it is whole."""

    path: str
    name: str = ""
    _at: int = 0
    _rest: bytes = field(default=b"")

    def show(self, screen: Screen, *, all_of_it: bool = False) -> None:
        with contextlib.suppress(FileNotFoundError), open(self.path, "rb") as file:
            file.seek(self._at)
            while data := file.read(_LONGEST):
                self._at += len(data)
                *lines, self._rest = (self._rest + data).split(b"\n")
                for line in lines:
                    screen.line(f"{self.name}{line.decode('utf-8', 'replace')}")
                self._rest = self._rest[-_LONGEST:]
                if not all_of_it:
                    return


def _follow(means: Means, keys: Sequence[str], screen: Screen, logs: bool, over: threading.Event) -> None:
    ledger = Ledger(means.places.ledger)
    try:
        states: dict[str, str] = {}
        tails: dict[str, _Tail] = {}
        while True:
            last = over.is_set()
            for one in look(ledger, keys):
                _tell(one, states, len(keys) > 1, tails, means, screen)
            if logs:
                for tail in tails.values():
                    tail.show(screen, all_of_it=last)
            if last:
                return
            over.wait(limits.BUILD_LOOK)
    finally:
        ledger.close()


def _tell(one: Standing, states: dict[str, str], several: bool, tails: dict[str, _Tail], means: Means, screen: Screen) -> None:
    entry = one.entry
    before = states.get(entry.key)
    states[entry.key] = entry.state
    if entry.state == before or (before is None and one.has_ended):
        return
    if entry.state == "running":
        about = f" (about {spell(one.seconds)})" if one.seconds is not None else ""
        screen.line(f"builds {entry.job.cpv}{about}")
        tails[entry.key] = _Tail(means.places.log(entry.key, entry.fence), f"{entry.job.cpv}: " if several else "")
    elif entry.state == "queued" and before == "running":
        why = f": {entry.reason}" if entry.reason else ""
        screen.line(f"{entry.job.cpv} is queued again{why}")
    elif entry.state == "checked":
        screen.line(f"built {entry.job.cpv}")
