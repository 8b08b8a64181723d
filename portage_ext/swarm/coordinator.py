"""The coordinator takes queued jobs from the ledger, sends each to a builder through Buildbot, and lets the results be checked.

One thread assigns jobs and talks to Buildbot, in short steps that never wait for a build, a check or a publication. Another
thread (``finishing``) checks and publishes results. All state is in the ledger. If a process is killed, the next start queues
the running jobs again, and a late result of the earlier run is dropped because its fence is old.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from portage_ext import files, locks
from portage_ext.builds.cages import scratches
from portage_ext.builds.issuing import issue
from portage_ext.builds.ledger.entries import Attempt
from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.builds.means import Means
from portage_ext.errors import PortageExtError
from portage_ext.errors.swarm import LabelsError, SwarmError
from portage_ext.limits import builds as limits
from portage_ext.limits import swarm as bounds
from portage_ext.swarm import labels, scheduling, wishes
from portage_ext.swarm.finishing import Finished, Finisher
from portage_ext.swarm.link import Link
from portage_ext.swarm.master import Master
from portage_ext.swarm.register import DRAINED, Known, Register
from portage_ext.swarm.scheduling import Machine
from portage_ext.swarm.status import ALIVE, Running, Seen, Status

RUNNER: Final = "builder:"
"""The prefix before the name of the builder in the ledger."""
REFUSED: Final = 75
"""The exit status of `portage-ext builder perform` if it takes no jobs now (EX_TEMPFAIL)."""
Say = Callable[[str], None]
_TOLD: Final = 50
"""The maximum number of waiting reasons that one step writes to the ledger."""
_EXPLAINED: Final = 5.0
"""The maximum age of the recorded reason of a waiting job, in seconds."""


def spare_the_collector() -> None:
    """Let Python's collector of garbage pass over what was imported: to look at it takes longer than many a step."""
    gc.collect()
    gc.freeze()


class Coordinator:
    """Runs until :meth:`stop`. ``say`` is called with messages for a person."""

    def __init__(self, means: Means, register: Register, master: Master, say: Say) -> None:
        self._means, self._register, self._master, self._say = means, register, master, say
        self._finisher = Finisher(means.site, say)
        self._wishes = wishes.Wishes(means)
        self._builders: dict[str, dict[str, Any]] = {}
        self._labels: dict[str, labels.Labels] = {}
        self._attempts: dict[str, tuple[Attempt, str]] = {}
        self._known: dict[str, Known] = {}
        self._reasons: dict[str, str] = {}
        self._explained = 0.0
        self._stamp = (0, 0)
        self._link: Link | None = None
        self._told: Status | None = None
        self._told_at = 0.0
        self._stopping = False
        self._served = False
        self.slowest = 0.0
        """The duration of the longest step so far, in seconds."""

    @property
    def ledger(self) -> Ledger:
        return self._means.ledger

    def stop(self) -> None:
        """End at the next step."""
        self._stopping = True

    def run(self) -> None:
        """Work until :meth:`stop`. Raises PortageExtError, OSError."""
        spare_the_collector()
        directory = self._register.directory
        with locks.held(directory / ".lock", 0):
            self._finisher.start()
            try:
                self._recover()
                while not self._stopping:
                    try:
                        self._serve()
                    except SwarmError as error:
                        if not self._served:
                            raise
                        self._lose(str(error))
                        if not self._stopping:
                            self._say(str(error))
                            time.sleep(bounds.TICK)
            finally:
                self._lose("the coordinator was stopped")
                self._master.stop()
                self._finisher.stop()

    def _serve(self) -> None:
        """Start Buildbot and work while it runs. Raises SwarmError if it ends."""
        self._known, self._stamp = self._register.read(), self._register.stamp()
        self._master.stop()
        self._master.start({name: one.secret for name, one in self._known.items()})
        self._link = Link(self._master.socket)
        self._served = True
        self._say("Buildbot runs; builders can join")
        more = False
        while not self._stopping:
            for event in self._link.events(0 if more else bounds.TICK):
                self._heard(event)
            for done in self._finisher.done():
                self._judged(done)
            self._look_at_register()
            self._cancel()
            began = time.monotonic()
            more = self._decide()
            self.slowest = max(self.slowest, time.monotonic() - began)
            self._tell()

    def _heard(self, event: dict[str, Any]) -> None:
        if event["event"] == "builders":
            self._builders = event["builders"]
            for name, one in self._builders.items():
                try:
                    self._labels[name] = (
                        labels.parse(one["labels"], name) if one["connected"] else self._labels.get(name, labels.Labels())
                    )
                except LabelsError as error:
                    self._labels[name] = labels.Labels(closed=str(error))
        elif event["event"] == "ended":
            self._ended(event)

    def _ended(self, event: dict[str, Any]) -> None:
        """Handle the end of an attempt: its build ended or its builder was lost."""
        found = self._attempts.pop(event["id"], None)
        if found is None:
            return
        attempt, name = found
        how, status, said = event["how"], event["status"], " ".join(str(event["why"]).split())[-300:]
        if how == "built":
            self._finisher.put(attempt, name, self._place(attempt))
        elif how == "cancelled" or status == REFUSED:
            self._give_back(attempt, f"builder {name} did not take it: {said}")
        elif how == "lost":
            self._blame(attempt, name, f"builder {name} was lost while it built")
        else:
            self._blame(attempt, name, f"builder {name} could not build: {said or 'it said nothing'}")

    def _give_back(self, attempt: Attempt, why: str) -> None:
        """Queue the job again. Nobody is to blame, so the attempt does not count as a try."""
        self.ledger.give_back(attempt, why)
        shutil.rmtree(self._place(attempt), ignore_errors=True)

    def _blame(self, attempt: Attempt, name: str, why: str) -> None:
        """Record a failure of the builder. The job goes to another one; a builder that fails twice in a row gets no more
        jobs."""
        self.ledger.end(attempt, "failed", failure="builder", reason=why)
        self._say(f"{attempt.key[:12]}: {why}")
        self._count(name, failed=True)
        shutil.rmtree(self._place(attempt), ignore_errors=True)

    def _judged(self, done: Finished) -> None:
        if done.blamed:
            self._say(f"{done.attempt.key[:12]}: {done.blamed}")
        self._count(done.builder, failed=bool(done.blamed))

    def _count(self, name: str, *, failed: bool) -> None:
        before = self._known.get(name)
        closed = self._register.count(name, failed=failed)
        if closed and before is not None and not before.closed:
            self._say(f"builder {name} is set aside: {closed}")

    def _look_at_register(self) -> None:
        stamp = self._register.stamp()
        if stamp == self._stamp or self._link is None:
            return
        before, self._known, self._stamp = self._known, self._register.read(), stamp
        secrets = {name: one.secret for name, one in self._known.items()}
        if secrets != {name: one.secret for name, one in before.items()}:
            self._master.write(secrets)
            self._link.say("reload")

    def _cancel(self) -> None:
        for identity, (attempt, _) in list(self._attempts.items()):
            if self._link is not None and not self.ledger.is_current(attempt):
                del self._attempts[identity]
                shutil.rmtree(self._place(attempt), ignore_errors=True)
                self._link.say("cancel", id=identity, why="the ledger says that it does not count any more")

    def machines(self) -> list[Machine]:
        """The current state of the builders."""
        found: list[Machine] = []
        drained = self._drained()
        for name, known in sorted(self._known.items()):
            seen = self._builders.get(name, {})
            said = self._labels.get(name)
            busy = tuple(attempt.key for attempt, builder in self._attempts.values() if builder == name)
            closed = drained or known.closed or ("" if seen.get("connected") else "it is not connected")
            closed = closed or ("it is draining" if seen.get("draining") else said.closed if said else "")
            if not closed and seen.get("busy", 0) > len(busy):
                closed = "it ends what it built before"
            found.append(Machine(name, said, busy, closed, known.failures, group=known.group))
        return found

    def _drained(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            return (self._register.directory / DRAINED).read_text(encoding="utf-8").strip() or "the swarm is drained"
        return ""

    def _decide(self) -> bool:
        """Assign the jobs that can start now, within the time of one step. Returns whether there are more to assign."""
        waiting = self._wishes.waiting()
        if not waiting:
            self._reasons.clear()
            return False
        running = self._wishes.whose(attempt.key for attempt, _ in self._attempts.values())
        decision = scheduling.decide(waiting, self.machines(), running, self.ledger.now())
        self._explain(decision.reasons)
        began = time.monotonic()
        for key, builder in decision.assigned:
            self._give(key, builder)
            if time.monotonic() - began > bounds.STEP:
                return True
        return False

    def _explain(self, reasons: Mapping[str, str]) -> None:
        """Record why jobs wait: at once for jobs without a reason, and a few times a minute for the others."""
        if time.monotonic() - self._explained > _EXPLAINED:
            self._explained = time.monotonic()
            changed = {key: why for key, why in reasons.items() if self._reasons.get(key) != why}
        else:
            changed = {key: why for key, why in reasons.items() if key not in self._reasons}
        changed = dict(itertools.islice(changed.items(), _TOLD))
        if changed:
            self.ledger.explain(changed)
        self._reasons = {key: why for key in reasons if (why := changed.get(key) or self._reasons.get(key))}

    def _give(self, key: str, builder: str) -> None:
        # The group comes from the register, and is recorded before the builder hears of the job.
        group = self._known[builder].group
        attempt = self.ledger.take(RUNNER + builder, self._means.places.log, [key], group=group)
        if attempt is None or self._link is None:
            return
        place = self._place(attempt)
        shutil.rmtree(place, ignore_errors=True)
        files.make_directory(place, 0o700)
        files.make_directory(Path(attempt.log).parent, 0o700)
        order = place / "order"
        try:
            issued = issue(self._means, attempt, order)
        except (PortageExtError, OSError) as error:
            self.ledger.end(attempt, "failed", failure="environment", reason=str(error))
            shutil.rmtree(place, ignore_errors=True)
            return
        identity = place.name
        self._attempts[identity] = (attempt, builder)
        self._link.say(
            "submit",
            id=identity,
            builder=builder,
            files=[[str(path), str(path.relative_to(order))] for path in sorted(order.rglob("*")) if path.is_file()],
            # The report is sent last, so if it exists, the result is complete.
            results=[["result.gpkg.tar", str(place / "result")], ["report.json", str(place / "report.json")]],
            log=attempt.log,
            most=limits.BUILD_RESULT,
            most_log=limits.BUILD_LOG,
            seconds=self._means.bounds.seconds + limits.PLAN_SECONDS,
            package=issued.job.cpv,
            target=issued.target,
        )

    def _place(self, attempt: Attempt) -> Path:
        return self._register.directory / "attempts" / f"{attempt.key[:16]}.{attempt.fence}"

    def _recover(self) -> None:
        """Take over from an earlier coordinator: delete its temporary files, check complete results, queue the other jobs."""
        try:
            scratches.clear(self._means.places)
        except OSError as error:
            self._say(f"temporary files of a killed coordinator cannot be deleted ({error}); the next start tries again")
        kept: set[str] = set()
        for attempt in self.ledger.running():
            if not attempt.runner.startswith(RUNNER):
                continue
            place = self._place(attempt)
            if (place / "report.json").exists():
                kept.add(place.name)
                self._finisher.put(attempt, attempt.runner.removeprefix(RUNNER), place)
            else:
                self.ledger.give_back(attempt, "the coordinator was ended while it was built")
        with contextlib.suppress(FileNotFoundError):
            for place in (self._register.directory / "attempts").iterdir():
                if place.name not in kept:
                    shutil.rmtree(place)
        self._finisher.publish()

    def _lose(self, why: str) -> None:
        """Queue all running jobs again, because Buildbot has ended. No builder is to blame."""
        if self._link is not None:
            self._link.close()
            self._link = None
        for attempt, _ in self._attempts.values():
            self._give_back(attempt, why)
        self._attempts.clear()
        self._builders = {}

    def _tell(self) -> None:
        """Write the status for `portage-ext swarm` at each change, and every few seconds to show that the coordinator is
        alive."""
        durations = self._wishes.durations()
        running = tuple(
            Running(attempt.key, builder, attempt.started, durations.get(attempt.key))
            for attempt, builder in self._attempts.values()
        )
        seen = tuple(Seen.of(one, self._known[one.name].group) for one in self.machines())
        told = Status(0, os.getpid(), seen, running, round(self.slowest, 3))
        if told != self._told or time.monotonic() - self._told_at > ALIVE / 4:
            replace(told, time=int(time.time())).write(self._register.directory)
            self._told, self._told_at = told, time.monotonic()
