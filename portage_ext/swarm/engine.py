"""With the engine ``buildbot``, jobs stay in the queue of the ledger until the coordinator takes them.

The coordinator is a service on this host. If it does not run, jobs stay queued, and a command that waits for them says why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from portage_ext import files
from portage_ext.builds.engines import Builder, Engine
from portage_ext.builds.ledger.entries import Entry
from portage_ext.builds.ledger.standing import ENDED, follow
from portage_ext.builds.means import Means
from portage_ext.errors.swarm import SwarmError
from portage_ext.limits import swarm as bounds
from portage_ext.swarm import status
from portage_ext.swarm.register import DRAINED, Register

NAME: Final = "buildbot"


@dataclass(frozen=True, slots=True)
class Swarm:
    """The engine."""

    means: Means

    @property
    def name(self) -> str:
        return NAME

    @property
    def register(self) -> Register:
        return Register.below(self.means.site.eroot)

    def submit(self, keys: Sequence[str]) -> None:
        """Do nothing: the coordinator reads the queue twice a second."""

    def work(self, keys: Sequence[str] | None, told: Callable[[Entry], None] = lambda entry: None) -> None:
        wanted = self.means.ledger.queue() if keys is None else keys
        if wanted:
            self._alive()
        left = set(wanted)
        while left:
            for standing in follow(self.means.ledger, sorted(left), seconds=bounds.START):
                if standing.entry.state in ENDED and standing.entry.key in left:
                    left.discard(standing.entry.key)
                    told(standing.entry)
            if left:
                self._alive()

    def cancel(self, key: str) -> Entry:
        """Cancel a job. The coordinator notices it and stops the build on its builder."""
        return self.means.ledger.cancel(key)

    def drain(self, why: str) -> None:
        place = self.register.directory / DRAINED
        files.make_directory(place.parent, 0o700)
        if why:
            files.replace_file(place, f"{why}\n".encode(), mode=0o600)
        else:
            place.unlink(missing_ok=True)

    def builders(self) -> list[Builder]:
        found = status.read(self.register.directory)
        away = "" if found.is_alive else "the coordinator does not run"
        return [Builder(one.name, one.running, away or one.closed) for one in found.builders]

    def recover(self) -> list[str]:
        """Do nothing: the coordinator itself queues lost jobs again."""
        return []

    def _alive(self) -> None:
        until = time.monotonic() + bounds.CONNECT
        while True:
            try:
                if status.read(self.register.directory).is_alive:
                    return
            except SwarmError:
                if time.monotonic() > until:
                    raise
            if time.monotonic() > until:
                raise SwarmError(
                    "no coordinator runs on this host, so nobody builds; the jobs stay in the queue",
                    "Start `portage-ext coordinator run`, as a service.",
                )
            time.sleep(bounds.TICK)


def engine(means: Means) -> Engine:
    """Make this engine; called through ``builds/engines.ENGINES``."""
    return Swarm(means)
