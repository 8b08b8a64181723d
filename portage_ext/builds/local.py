"""The engine for one machine needs no daemon: a command takes jobs from the ledger, builds several at once, and ends.

Each attempt runs in its own process (``portage-ext builds perform``), as it would on another machine, and is killed when this
process dies. Each build holds a slot, which is a file lock, so that all processes together run at most [build] jobs builds. If
a process is killed, the next run cleans up and queues its jobs again.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from portage_ext import files, locks
from portage_ext.builds import performing
from portage_ext.builds.cages import ending, scratches
from portage_ext.builds.cages.isolation import die_with_parent
from portage_ext.builds.engines import LOCAL, Builder, Engine
from portage_ext.builds.issuing import ORDER, issue
from portage_ext.builds.ledger.entries import Attempt, Entry
from portage_ext.builds.means import Means
from portage_ext.builds.orders import Order
from portage_ext.errors import PortageExtError
from portage_ext.limits import builds as limits
from portage_ext.words import size

_DRAINED: Final = "drained"


@dataclass(slots=True)
class _Build:
    """A running attempt: its process, and the locks, files and cages that it holds."""

    attempt: Attempt
    order: Order
    process: subprocess.Popen[bytes]
    directory: Path
    held: ExitStack
    began: float
    trial: performing.Trial | None = None
    """The cage for the trial installation. It is made beside the build, so that its emerge is loaded when the build ends."""


@dataclass(slots=True)
class Local:
    """The engine ``local``."""

    means: Means
    _running: list[_Build] = field(default_factory=list)

    @property
    def name(self) -> str:
        return LOCAL

    def submit(self, keys: Sequence[str]) -> None:
        """Start a run in the background. If other runs use all slots, it ends at once and they build the jobs."""
        if keys and not self.closed():
            words = [*_portage_ext("builds", "--config-root", str(self.means.site.config_root)), "run"]
            with open(os.devnull, "r+b") as nothing:
                subprocess.Popen(words, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)

    def work(self, keys: Sequence[str] | None, told: Callable[[Entry], None] = lambda entry: None) -> None:
        ledger = self.means.ledger
        with scratches.scratch(self.means.places) as scratch:
            try:
                looked = time.monotonic()
                while True:
                    self._begin(keys, scratch)
                    if self._running:
                        _load()
                    if not self._running and self._is_over(keys):
                        return
                    ending.wait([build.process.pid for build in self._running], limits.BUILD_LOOK / 5)
                    if time.monotonic() - looked > limits.BUILD_LOST:
                        # Queue jobs of other processes that died, because otherwise we would wait for them forever.
                        self.recover()
                        looked = time.monotonic()
                    for build in list(self._running):
                        if build.process.poll() is not None:
                            told(self._end(build))
                        elif not ledger.is_current(build.attempt):
                            self._stop(build)
                            told(ledger.get(build.attempt.key))
                        elif build.trial is None and time.monotonic() - build.began > limits.BUILD_TRIAL:
                            self._prepare(build)
            finally:
                for build in list(self._running):
                    self._stop(build)
                    ledger.end(build.attempt, "failed", failure="builder", reason="the run was interrupted")

    def cancel(self, key: str) -> Entry:
        """Cancel a job. The process that builds it reads the ledger twice a second and then stops."""
        return self.means.ledger.cancel(key)

    def drain(self, why: str) -> None:
        files.make_directory(self.means.places.state, 0o700)
        if why:
            files.replace_file(self.means.places.state / _DRAINED, f"{why}\n".encode(), mode=0o600)
        else:
            (self.means.places.state / _DRAINED).unlink(missing_ok=True)

    def drained(self) -> str:
        """Why no jobs are taken after :meth:`drain`; empty if jobs are taken."""
        with contextlib.suppress(FileNotFoundError):
            return (self.means.places.state / _DRAINED).read_text(encoding="utf-8").strip() or "it is drained"
        return ""

    def closed(self) -> str:
        """Why no jobs are taken (drained, or too little free disk space); empty if jobs are taken."""
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
        living = scratches.clear(self.means.places)
        lost: list[str] = []
        for attempt in self.means.ledger.running():
            if attempt.runner not in living:
                self.means.ledger.end(attempt, "failed", failure="builder", reason="the run that built it was killed")
                lost.append(attempt.key)
        return lost

    def _begin(self, keys: Sequence[str] | None, scratch: Path) -> None:
        """Take jobs while there are any and slots are free."""
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
        issued = issue(self.means, attempt, order)
        config = str(self.means.site.config_root)
        words = [*_portage_ext("builds", "--config-root", config), "perform", str(order / ORDER), str(out)]
        with open(os.devnull, "rb") as nothing, open(attempt.log, "wb", opener=_private) as log:
            process = subprocess.Popen(
                words, stdin=nothing, stdout=log, stderr=log, start_new_session=True, preexec_fn=die_with_parent(os.getpid())
            )
        return _Build(attempt, issued, process, directory, slot.pop_all(), time.monotonic())

    def _prepare(self, build: _Build) -> None:
        """Make the cage of the trial installation. Whatever fails here is tried again when the build has ended.

        If the build needs additions, its process may still be making their layer, and this process must not wait for that.
        """
        build.began = math.inf
        if build.order.additions:
            return
        performer = performing.Performer(self.means.places, self.means.targets, self.means.bounds)
        with contextlib.suppress(PortageExtError, OSError), open(os.devnull, "wb") as nothing:
            build.trial = build.held.enter_context(performer.trial(build.order, build.directory, nothing))

    def _end(self, build: _Build) -> Entry:
        """Check the result of a process that has ended."""
        from portage_ext.builds import accepting

        self._running.remove(build)
        with build.held:
            if not (build.directory / "out" / performing.REPORT).exists():
                reason = f"the build was killed, or ended without a report (exit status {build.process.returncode})"
                self.means.ledger.end(
                    build.attempt, "failed", failure="builder", reason=f"{reason}; {accepting.advice(build.attempt)}"
                )
                return self.means.ledger.get(build.attempt.key)
            trial = partial(accepting.merged, ready=build.trial)
            return accepting.accept(self.means, build.attempt, build.directory / "out", trial=trial)

    def _stop(self, build: _Build) -> None:
        """Kill a process; its cage is killed with it."""
        self._running.remove(build)
        with build.held:
            os.killpg(build.process.pid, signal.SIGKILL)
            build.process.wait()
        scratches.clear(self.means.places)

    def _is_over(self, keys: Sequence[str] | None) -> bool:
        return bool(self.closed()) or not self.means.ledger.moves(keys)


def engine(means: Means) -> Engine:
    """Make this engine; called through ``engines.ENGINES``."""
    return Local(means)


def _load() -> None:
    """Import what accepts and publishes results while the builds run, so that no result waits for it."""
    from portage_ext.builds import accepting  # noqa: F401
    from portage_ext.host import pkgdir
    from portage_ext.tasks import upkeep  # noqa: F401

    pkgdir.load()


def _portage_ext(*words: str) -> list[str]:
    return [sys.executable, "-m", "portage_ext.cli.main", *words]


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
