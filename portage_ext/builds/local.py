"""The engine of one machine: no daemon. Whoever wants jobs built takes them from the ledger, several at once, and ends.

Each attempt is a process of its own (``portage-ext builds perform``), as it would be on another machine; it dies with this
one. A slot, which is a lock that a living process holds, keeps all of them together within [build] jobs. A process that ends,
however, leaves nothing that the next run does not clear, and queue again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from portage_ext import files, limits, locks
from portage_ext.builds import performing
from portage_ext.builds.accepting import accept
from portage_ext.builds.engines import LOCAL, Builder, Engine
from portage_ext.builds.isolation import die_with_parent
from portage_ext.builds.issuing import ORDER, issue
from portage_ext.builds.ledger import Attempt, Entry
from portage_ext.builds.means import Means
from portage_ext.errors import PortageExtError
from portage_ext.words import size

_DRAINED: Final = "drained"


@dataclass(slots=True)
class _Build:
    """An attempt that runs: its process, and what it holds as long as it does."""

    attempt: Attempt
    process: subprocess.Popen[bytes]
    directory: Path
    held: ExitStack


@dataclass(slots=True)
class Local:
    """The engine ``local``."""

    means: Means
    _running: list[_Build] = field(default_factory=list)

    @property
    def name(self) -> str:
        return LOCAL

    def submit(self, keys: Sequence[str]) -> None:
        """Start a run in the background; when runs are at work already, it ends as soon as they have all slots and the rest."""
        if keys and not self.closed():
            words = [*_portage_ext("builds", "--config-root", str(self.means.site.config_root)), "run"]
            with open(os.devnull, "r+b") as nothing:
                subprocess.Popen(words, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)

    def work(self, keys: Sequence[str] | None, told: Callable[[Entry], None] = lambda entry: None) -> None:
        ledger = self.means.ledger
        with performing.scratch(self.means.places) as scratch:
            try:
                looked = time.monotonic()
                while True:
                    self._begin(keys, scratch)
                    if not self._running and self._is_over(keys):
                        return
                    time.sleep(limits.BUILD_LOOK / 5)
                    if time.monotonic() - looked > limits.BUILD_LOST:
                        # What others were building and died of would be waited for in vain.
                        self.recover()
                        looked = time.monotonic()
                    for build in list(self._running):
                        if build.process.poll() is not None:
                            told(self._end(build))
                        elif not ledger.is_current(build.attempt):
                            self._stop(build)
                            told(ledger.get(build.attempt.key))
            finally:
                for build in list(self._running):
                    self._stop(build)
                    ledger.end(build.attempt, "failed", failure="builder", reason="the run was interrupted")

    def cancel(self, key: str) -> Entry:
        """Whoever builds it looks at the ledger twice a second, and ends it."""
        return self.means.ledger.cancel(key)

    def drain(self, why: str) -> None:
        files.make_directory(self.means.places.state, 0o700)
        if why:
            files.replace_file(self.means.places.state / _DRAINED, f"{why}\n".encode(), mode=0o600)
        else:
            (self.means.places.state / _DRAINED).unlink(missing_ok=True)

    def drained(self) -> str:
        """Why nothing is taken; empty where jobs are."""
        with contextlib.suppress(FileNotFoundError):
            return (self.means.places.state / _DRAINED).read_text(encoding="utf-8").strip() or "it is drained"
        return ""

    def closed(self) -> str:
        """Why no job is taken: drained, or the disk is short; empty where jobs are taken."""
        if why := self.drained():
            return why
        wanted = self.means.site.settings.building.free
        state = self.means.places.state
        files.make_directory(state, 0o700)
        free = shutil.disk_usage(state).free
        return f"only {size(free)} are free at {state}, and free-mib of [build] wants {size(wanted)}" if free < wanted else ""

    def builders(self) -> list[Builder]:
        keys = tuple(attempt.key for attempt in self.means.ledger.running())
        return [Builder(os.uname().nodename, keys, self.closed())]

    def recover(self) -> list[str]:
        living = performing.clear(self.means.places)
        lost: list[str] = []
        for attempt in self.means.ledger.running():
            if attempt.runner not in living:
                self.means.ledger.end(attempt, "failed", failure="builder", reason="the run that built it was killed")
                lost.append(attempt.key)
        return lost

    def _begin(self, keys: Sequence[str] | None, scratch: Path) -> None:
        """Take jobs as long as there are any and slots are free."""
        while not self.closed():
            with ExitStack() as stack:
                if not self._slot(stack):
                    return
                attempt = self.means.ledger.take(scratch.name, self.means.places.log, keys)
                if attempt is None:
                    return
                try:
                    self._running.append(self._started(attempt, scratch, stack))
                except PortageExtError as error:
                    self.means.ledger.end(attempt, "failed", failure="environment", reason=str(error))

    def _slot(self, stack: ExitStack) -> bool:
        directory = self.means.places.state / "slots"
        files.make_directory(directory, 0o700)
        for number in range(self.means.site.settings.building.jobs):
            if stack.enter_context(locks.tried(directory / str(number))) is not None:
                return True
        return False

    def _started(self, attempt: Attempt, scratch: Path, slot: ExitStack) -> _Build:
        directory = scratch / f"{attempt.key[:16]}.{attempt.fence}"
        order, out = directory / "order", directory / "out"
        out.mkdir(parents=True, mode=0o700)
        files.make_directory(Path(attempt.log).parent, 0o700)
        issue(self.means, attempt, order)
        config = str(self.means.site.config_root)
        words = [*_portage_ext("builds", "--config-root", config), "perform", str(order / ORDER), str(out)]
        with open(os.devnull, "rb") as nothing, open(attempt.log, "wb", opener=_private) as log:
            process = subprocess.Popen(
                words, stdin=nothing, stdout=log, stderr=log, start_new_session=True, preexec_fn=die_with_parent(os.getpid())
            )
        return _Build(attempt, process, directory, slot.pop_all())

    def _end(self, build: _Build) -> Entry:
        """A process has ended: judge what it left."""
        self._running.remove(build)
        with build.held:
            if not (build.directory / "out" / performing.REPORT).exists():
                reason = f"the build was killed, or ended without a report (exit status {build.process.returncode})"
                self.means.ledger.end(build.attempt, "failed", failure="builder", reason=f"{reason}; see {build.attempt.log}")
                return self.means.ledger.get(build.attempt.key)
            return accept(self.means, build.attempt, build.directory / "out")

    def _stop(self, build: _Build) -> None:
        """End a process; its cage dies with it."""
        self._running.remove(build)
        with build.held:
            os.killpg(build.process.pid, signal.SIGKILL)
            build.process.wait()
        performing.clear(self.means.places)

    def _is_over(self, keys: Sequence[str] | None) -> bool:
        return bool(self.closed()) or not self.means.ledger.moves(keys)


def engine(means: Means) -> Engine:
    """The factory of this engine."""
    return Local(means)


def _portage_ext(*words: str) -> list[str]:
    return [sys.executable, "-m", "portage_ext.cli.main", *words]


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
