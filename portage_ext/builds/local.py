"""The engine of one machine: works the queue of the ledger, one attempt after the other or several at once, and ends.

Every attempt has a scratch of its own and is over when this process is, whatever killed it: its files lie below a directory
whose lock this process holds, and the next run clears what nobody holds and queues those jobs again. What was accepted is moved
to ``incoming`` before the ledger hears of it; what the ledger calls checked is published, once, by whoever comes next.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final

from portage_ext import files, limits, locks
from portage_ext.builds import incoming, isolation
from portage_ext.builds.cage import CAGE_FAILED, RESULTS_REFUSED, Bind, Bounds
from portage_ext.builds.distfiles import Distfiles
from portage_ext.builds.environment import DISTDIR, PKGDIR, Environment, environment, resolved, write_layer
from portage_ext.builds.key import Job, parse
from portage_ext.builds.ledger import Attempt, Entry, Failure, Ledger
from portage_ext.errors import PortageExtError
from portage_ext.errors.builds import BlockedError, JobError, RefusedResultError
from portage_ext.targets.store import Store

STATE: Final = "var/lib/portage-ext/builds"
_OPTIONS: Final = ("--ignore-default-opts", "--oneshot", "--nodeps", "--usepkg=n", "--getbinpkg=n", "--color=n")
"""That the dependencies are there was found out by the plan, in the same environment."""
_BUILD: Final = ("--buildpkgonly", *_OPTIONS)
_FETCH: Final = ("--fetchonly", *_OPTIONS)


@dataclass(frozen=True, slots=True)
class Places:
    """Where builds keep things: ``state`` for ledger, logs and results, ``scratch`` for what each attempt throws away."""

    state: Path
    scratch: Path
    distfiles: Path

    @property
    def ledger(self) -> Path:
        return self.state / "ledger.sqlite"

    @property
    def incoming(self) -> Path:
        return self.state / "incoming"

    def log(self, key: str, fence: int) -> str:
        return str(self.state / "log" / f"{key[:16]}.{fence}.log")


class Runner:
    """Runs jobs of ``ledger`` on this machine."""

    def __init__(self, places: Places, ledger: Ledger, store: Store, bounds: Bounds) -> None:
        self._places, self._ledger, self._store, self._bounds = places, ledger, store, bounds
        self._name = f"{os.getpid()}.{secrets.token_hex(4)}"

    def plan(self, name: str, atoms: tuple[str, ...]) -> tuple[list[Job], list[str]]:
        """What building ``atoms`` for the target ``name`` would be: its jobs, and what must be installed there before.

        Raises PortageExtError, OSError.
        """
        place = environment(name, self._store.load(name))
        with self._scratch() as directory, tempfile.TemporaryFile() as log:
            write_layer(place, directory / "layer")
            words = ("sh", "-c", 'mkdir -p "$0" && exec "$@" >"$0/plan"', PKGDIR, *place.describe(*atoms))
            bounds = replace(self._bounds, seconds=limits.PLAN_SECONDS, results=limits.JOB_SIZE)
            ended = self._step(place, directory, words, log, bounds=bounds, out="plan")
            answer = directory / "plan/plan"
            if not answer.is_file():
                raise JobError(name, f"its plan could not be made (exit status {ended.status}{_met(ended)}): {_end(log)}")
            jobs, missing = parse(answer.read_bytes(), name)
            if native := next((job.cpv for job in jobs if not resolved(job.variables)), ""):
                why = f"leaves the CPU for {native} to the compiler of this host, such as by -march=native in its profile"
                raise BlockedError(name, why, "name the CPU of the target in its make.conf, and capture it again")
            return jobs, missing

    def run(self, only: str | None = None) -> Entry | None:
        """Bring one queued job (of the key ``only``) to its end; None when none is queued. Raises LedgerError, OSError."""
        attempt = self._ledger.take(self._name, self._places.log, only)
        if attempt is None:
            return None
        entry = self._ledger.find(attempt.key)
        files.make_directory(Path(attempt.log).parent, 0o700)
        try:
            self._build(entry, attempt)
        except (PortageExtError, OSError) as error:
            failure: Failure = (
                "checks"
                if isinstance(error, RefusedResultError)
                else "builder"
                if isinstance(error, OSError)
                else "environment"
            )
            self._ledger.end(attempt, "failed", failure=failure, reason=str(error))
        except BaseException:  # also for Ctrl-C the job goes back to the queue; it is raised again
            self._ledger.end(attempt, "failed", failure="builder", reason="the run was interrupted")
            raise
        return self._ledger.find(attempt.key)

    def recover(self) -> list[str]:
        """Clear what dead runs left, and queue their jobs again; returns the keys. Raises LedgerError, OSError."""
        files.make_directory(self._places.scratch, 0o700)
        with locks.held(self._places.scratch / ".lock", limits.LEDGER_WAIT):
            runs = [directory for directory in self._places.scratch.iterdir() if directory.is_dir()]
            living = {directory.name for directory in runs if _is_held(directory)}
            for directory in runs:
                if directory.name not in living:
                    shutil.rmtree(directory)
        isolation.clear()
        lost: list[str] = []
        for attempt in self._ledger.running():
            if attempt.runner not in living and attempt.runner != self._name:
                self._ledger.end(attempt, "failed", failure="builder", reason="the run that built it was killed")
                lost.append(attempt.key)
        return lost

    def _build(self, entry: Entry, attempt: Attempt) -> None:
        place = environment(entry.target, self._store.load(entry.target))
        job = entry.job
        with self._scratch() as directory, open(attempt.log, "wb", opener=_private) as log:
            write_layer(place, directory / "layer")
            if not self._fetched(place, job, directory, attempt, log):
                return
            distfiles = (Bind(str(directory / "distfiles"), DISTDIR),)
            built = self._step(
                place, directory, place.emerge(*_BUILD, f"={job.cpv}"), log, binds=distfiles, out="binpkgs", attempt=attempt
            )
            if built.status or built.bound:
                self._failed(attempt, built, "its build failed", "package")
                return
            result = incoming.accepted(directory / "binpkgs", job)
            kept = self._places.incoming / f"{entry.key[:16]}.{attempt.fence}" / result.name
            files.make_directory(kept.parent, 0o700)
            os.rename(result, kept)
            files.sync_directory(kept.parent)
            if not self._ledger.end(attempt, "checked", result=str(kept)):
                shutil.rmtree(kept.parent)

    def _fetched(self, place: Environment, job: Job, directory: Path, attempt: Attempt, log: IO[bytes]) -> bool:
        """Lay the distfiles of ``job`` into the directory ``distfiles``; False when they could not be fetched."""
        store, into = Distfiles(self._places.distfiles), directory / "distfiles"
        into.mkdir()
        missing = store.lay_out(job.cpv, job.distfiles, into)
        if not missing:
            return True
        words = ("env", f"DISTDIR={PKGDIR}", *place.emerge(*_FETCH, f"={job.cpv}"))
        fetched = self._step(place, directory, words, log, out="fetched", attempt=attempt, network=True)
        if fetched.status or fetched.bound:
            self._failed(attempt, fetched, f"its distfiles could not be fetched ({', '.join(missing)})", "environment")
            return False
        wanted = {name: job.distfiles[name] for name in missing}
        store.take(job.cpv, wanted, directory / "fetched")
        store.lay_out(job.cpv, wanted, into)
        return True

    def _step(
        self,
        place: Environment,
        directory: Path,
        words: tuple[str, ...],
        log: IO[bytes],
        *,
        out: str,
        bounds: Bounds | None = None,
        binds: tuple[Bind, ...] = (),
        attempt: Attempt | None = None,
        network: bool = False,
    ) -> isolation.Ended:
        """Run ``words`` in a cage; what they leave in PKGDIR goes to the directory ``out``, which is made."""
        (directory / out).mkdir()
        cage = replace(
            place.cage(directory / "layer", directory / "root", words, bounds or self._bounds, binds=binds, network=network),
            results=PKGDIR,
            out=str(directory / out),
        )
        return isolation.run(cage, log, cancelled=lambda: attempt is not None and not self._ledger.is_current(attempt))

    def _failed(self, attempt: Attempt, ended: isolation.Ended, what: str, failure: Failure) -> None:
        if ended.bound == "cancelled":
            return  # the ledger knows
        blame: dict[int, Failure] = {CAGE_FAILED: "builder", RESULTS_REFUSED: "checks"}
        reason = f"{what} (exit status {ended.status}{_met(ended)}); see {attempt.log}"
        self._ledger.end(attempt, "failed", failure=blame.get(ended.status, failure), reason=reason)

    @contextlib.contextmanager
    def _scratch(self) -> Iterator[Path]:
        """A directory of this run alone, with its lock held."""
        files.make_directory(self._places.scratch, 0o700)
        with locks.held(self._places.scratch / ".lock", limits.LEDGER_WAIT):
            directory = self._places.scratch / self._name
            directory.mkdir(0o700)
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            for name in ("layer", "root"):
                (directory / name).mkdir()
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            os.close(fd)


def _is_held(directory: Path) -> bool:
    """Whether a living run holds the lock of its scratch."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _met(ended: isolation.Ended) -> str:
    return f"; it met the bound for {ended.bound}" if ended.bound else ""


def _end(log: IO[bytes]) -> str:
    """The last words of a log, in one line."""
    log.seek(max(0, log.seek(0, os.SEEK_END) - limits.CAPTURE_SAID))
    return " ".join(log.read().decode("utf-8", "replace").split())[-600:] or "it said nothing"
