"""One job is built, or a plan is made, in the environment of the target, without the ledger, signing keys or PKGDIR of this
host.

Every attempt has its own scratch directory and ends when this process ends, even if it is killed. This process holds the lock
of the directory, and the next run deletes directories whose lock nobody holds. The files that emerge leaves in its PKGDIR are
returned unchecked: the host that gave the order checks them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Final

from portage_ext import files, locks
from portage_ext.builds.cages import isolation
from portage_ext.builds.cages.cage import CAGE_FAILED, RESULTS_REFUSED, Bind, Bounds
from portage_ext.builds.cages.checking import Check, checking
from portage_ext.builds.cages.environment import DISTDIR, PKGDIR, Environment, resolved, write_layer
from portage_ext.builds.cages.layers import Layers
from portage_ext.builds.distfiles import Distfiles
from portage_ext.builds.issuing import digest
from portage_ext.builds.key import Job, Planned, parse
from portage_ext.builds.orders import Failure, Order, Report
from portage_ext.builds.places import Places
from portage_ext.errors import PortageExtError
from portage_ext.errors.builds import BlockedError, JobError, RefusedResultError
from portage_ext.limits import builds as limits
from portage_ext.model import GPKG_SUFFIX, Cpv
from portage_ext.targets.store import Store

PACKAGES: Final = "packages"
"""The directory in the output of :meth:`Performer.perform` with the files that emerge left in its PKGDIR."""
REPORT: Final = "report.json"
_OPTIONS: Final = ("--ignore-default-opts", "--oneshot", "--nodeps", "--usepkg=n", "--getbinpkg=n", "--color=n")
"""Options of emerge. --nodeps is safe, because the plan has already found in the same environment that all dependencies
exist."""
_BUILD: Final = ("--buildpkgonly", *_OPTIONS)
_FETCH: Final = ("--fetchonly", *_OPTIONS)
_MERGE: Final = ("--ignore-default-opts", "--oneshot", "--nodeps", "--usepkgonly", "--getbinpkg=n", "--color=n")
_PHASE_KILLED: Final = re.compile(rb"The ebuild phase '[a-z_]+' has been killed by signal 9\.")
"""What emerge says then (_emerge/AbstractEbuildProcess.py); its exit status is 1, as after any failure."""
_ADDITIONS: Final = "/run/portage-ext/additions"


@dataclass(frozen=True, slots=True)
class Performer:
    """Builds on this machine, below ``places``, for the targets of ``store``."""

    places: Places
    store: Store
    bounds: Bounds

    def plan(self, name: str, atoms: tuple[str, ...]) -> list[Planned]:
        """Plan the build of ``atoms`` for the target ``name``: the jobs in order. Raises PortageExtError, OSError."""
        with (
            checking(name, self.store.load(name)) as (place, check),
            scratch(self.places) as directory,
            tempfile.TemporaryFile() as log,
        ):
            _configure(place, check, directory)
            words = ("sh", "-c", 'mkdir -p "$0" && exec "$@" >"$0/plan"', PKGDIR, *place.describe(*atoms))
            bounds = replace(self.bounds, seconds=limits.PLAN_SECONDS, results=limits.PLAN_SIZE)
            ended = self._step(place, directory, words, log, bounds=bounds, out="plan")
            check()  # the resolver builds nothing, so it runs beside the check
            answer = directory / "plan/plan"
            if not answer.is_file():
                raise JobError(name, f"its plan could not be made (exit status {ended.status}{_met(ended)}): {_end(log)}")
            plan = parse(answer.read_bytes(), name)
            if native := next((one.job.cpv for one in plan if not resolved(one.job.variables)), ""):
                why = f"leaves the CPU for {native} to the compiler of this host, such as by -march=native in its profile"
                raise BlockedError(name, why, "name the CPU of the target in its make.conf, and capture it again")
            return plan

    def perform(self, order: Order, additions: Path, out: Path, log: IO[bytes]) -> Report:
        """Build the job of ``order``. The packages go to the directory ``out``/packages, the output of emerge to ``log``.

        ``additions`` has the packages of the order, each named by its digest. ``out`` must exist and be empty. Failures are in
        the report, which is also written to ``out``. Raises OSError if the report cannot be written.
        """
        began = time.monotonic()
        try:
            ended = self._built(order, additions, out, log)
        except RefusedResultError as error:
            ended = Report("checks", str(error))
        except PortageExtError as error:
            ended = Report("environment", str(error))
        except OSError as error:
            ended = Report("builder", str(error))
        ended = replace(ended, seconds=round(time.monotonic() - began, 3))
        files.replace_file(out / REPORT, ended.emit(), mode=0o600)
        return ended

    def try_out(self, order: Order, additions: Path, result: Path, log: IO[bytes]) -> None:
        """Merge ``result``, the package built for ``order``, on trial in the environment with its layers. Nothing is kept.

        Raises RefusedResultError if it cannot be merged, other PortageExtErrors, OSError.
        """
        with self._over(order, additions, log) as (place, check, directory, over):
            ended = self._install(place, directory, [(order.job.cpv, result.name, result)], log, over=over)
            check()  # nothing of the merge is kept, so it runs beside the check
        if _was_killed(ended) or ended.status == CAGE_FAILED:
            raise OSError("the trial installation was killed, or could not be isolated")
        if ended.status or ended.bound:
            why = (
                f"it cannot be installed in the environment of target {order.target} (exit status {ended.status}{_met(ended)})"
            )
            raise RefusedResultError(order.job.cpv, why)

    @contextlib.contextmanager
    def _over(
        self, order: Order, additions: Path, log: IO[bytes]
    ) -> Iterator[tuple[Environment, Check, Path, tuple[Path, ...]]]:
        """Give the environment for ``order`` with its check, a scratch directory with the configuration layer in it, and the
        layers over the environment."""
        with (
            checking(order.target, self.store.load(order.target)) as (place, check),
            scratch(self.places) as directory,
            contextlib.ExitStack() as held,
        ):
            _configure(place, check, directory)
            over: tuple[Path, ...] = ()
            if order.additions:
                recipe = {"environment": place.digest(), "additions": [asdict(one) for one in order.additions]}
                merge = partial(self._merge, place, check, directory, order, additions, log)
                over = (held.enter_context(Layers(self.places.layers).layer(recipe, merge)),)
            yield place, check, directory, over

    def _built(self, order: Order, additions: Path, out: Path, log: IO[bytes]) -> Report:
        job = order.job
        with self._over(order, additions, log) as (place, check, directory, over):
            if (failed := self._fetched(place, check, job, directory, log)) is not None:
                return failed
            distfiles = (Bind(str(directory / "distfiles"), DISTDIR),)
            words = place.early_emerge(*_BUILD, f"={job.cpv}")
            built = self._step(
                place, directory, words, log, binds=distfiles, out="binpkgs", over=over, before=check, early=True
            )
            if built.status or built.bound:
                return _failed(built, "its build failed", "package")
            shutil.move(directory / "binpkgs", out / PACKAGES)
            return Report()

    def _merge(
        self, place: Environment, check: Check, directory: Path, order: Order, additions: Path, log: IO[bytes], tree: Path
    ) -> None:
        """Merge the packages of ``order`` over the environment and copy the written files to ``tree``. Raises JobError,
        OSError."""
        packages: list[tuple[str, str, Path]] = []
        for one in order.additions:
            source = additions / one.blake2b
            if not source.is_file() or source.is_symlink() or digest(source) != one.blake2b:
                why = f"{order.job.cpv} needs {one.cpv}, whose package is not with the order, or is another"
                raise JobError(order.target, why)
            packages.append((one.cpv, f"{Cpv.parse(one.cpv).pf}-{one.build}{GPKG_SUFFIX}", source))
        check()
        ended = self._install(place, directory, packages, log, keep=tree)
        if _was_killed(ended) or ended.status == CAGE_FAILED:
            raise OSError(f"merging what {order.job.cpv} needs was killed, or could not be isolated")
        if ended.status or ended.bound:
            names = ", ".join(one.cpv for one in order.additions)
            why = f"what {order.job.cpv} needs ({names}) could not be merged over the environment (exit status {ended.status}"
            raise JobError(order.target, f"{why}{_met(ended)})")

    def _install(
        self,
        place: Environment,
        directory: Path,
        packages: Sequence[tuple[str, str, Path]],
        log: IO[bytes],
        *,
        keep: Path | None = None,
        over: tuple[Path, ...] = (),
    ) -> isolation.Ended:
        """Let the environment's emerge merge ``packages`` in this order; each is a CPV, its file name there, and its path
        here."""
        with tempfile.TemporaryDirectory(dir=directory) as place_of_them:
            for name, file, source in packages:
                cpv = Cpv.parse(name)
                into = Path(place_of_them) / cpv.category / cpv.pn
                into.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, into / file)
            # emerge writes to its PKGDIR, so give it a copy.
            copy = ("sh", "-c", 'mkdir -p "$1" && cp -r "$0/." "$1" && shift && exec "$@"', _ADDITIONS, PKGDIR)
            words = (*copy, *place.emerge(*_MERGE, *(f"={name}" for name, _, _ in packages)))
            binds = (Bind(place_of_them, _ADDITIONS),)
            return self._step(place, directory, words, log, binds=binds, over=over, keep=keep)

    def _fetched(self, place: Environment, check: Check, job: Job, directory: Path, log: IO[bytes]) -> Report | None:
        """Put the distfiles of ``job`` into the directory ``distfiles``. Returns a report if they could not be fetched."""
        store, into = Distfiles(self.places.distfiles), directory / "distfiles"
        into.mkdir()
        missing = store.lay_out(job.cpv, job.distfiles, into)
        if not missing:
            return None
        words = ("env", f"DISTDIR={PKGDIR}", *place.emerge(*_FETCH, f"={job.cpv}"))
        fetched = self._step(place, directory, words, log, out="fetched", network=True, before=check)
        if fetched.status or fetched.bound:
            return _failed(fetched, f"its distfiles could not be fetched ({', '.join(missing)})", "environment")
        wanted = {name: job.distfiles[name] for name in missing}
        store.take(job.cpv, wanted, directory / "fetched")
        store.lay_out(job.cpv, wanted, into)
        return None

    def _step(
        self,
        place: Environment,
        directory: Path,
        words: tuple[str, ...],
        log: IO[bytes],
        *,
        out: str = "",
        keep: Path | None = None,
        over: tuple[Path, ...] = (),
        bounds: Bounds | None = None,
        binds: tuple[Bind, ...] = (),
        network: bool = False,
        before: Check = lambda: None,
        early: bool = False,
    ) -> isolation.Ended:
        """Run ``words`` in a cage with the layers ``over`` the environment. The files in PKGDIR are copied to the directory
        ``out``, which is created, and the files written over the layers to ``keep``. They run when ``before``
        has passed; those of an ``early`` emerge are loaded before."""
        layers = (directory / "layer", *over)
        cage = place.cage(layers, directory / "root", words, bounds or self.bounds, binds=binds, network=network)
        if out:
            (directory / out).mkdir()
            cage = replace(cage, results=PKGDIR, out=str(directory / out))
        return isolation.run(replace(cage, keep=str(keep or ""), early=early), log, before=before)


def _configure(place: Environment, check: Check, directory: Path) -> None:
    """Write the configuration layer. Raises BlockedError, OSError."""
    try:
        write_layer(place, directory / "layer")
    except (BlockedError, OSError):
        check()  # if the environment differs from the target, say so first
        raise


@contextlib.contextmanager
def scratch(places: Places) -> Iterator[Path]:
    """Give a scratch directory whose lock this process holds. It contains the directories ``layer`` and ``root``."""
    files.make_directory(places.scratch, 0o700)
    with locks.held(places.scratch / ".lock", limits.LEDGER_WAIT):
        directory = places.scratch / f"{os.getpid()}.{os.urandom(4).hex()}"
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


def clear(places: Places) -> set[str]:
    """Delete what dead processes left below ``places``. Returns the names of scratch directories in use. Raises OSError."""
    files.make_directory(places.scratch, 0o700)
    with locks.held(places.scratch / ".lock", limits.LEDGER_WAIT):
        every = [directory for directory in places.scratch.iterdir() if directory.is_dir()]
        living = {directory.name for directory in every if _is_held(directory)}
        for directory in every:
            if directory.name not in living:
                shutil.rmtree(directory)
    isolation.clear()
    return living


def _is_held(directory: Path) -> bool:
    """Whether a running process holds the lock of the scratch directory."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _failed(ended: isolation.Ended, what: str, failure: Failure) -> Report:
    blame: dict[int, Failure] = {CAGE_FAILED: "builder", RESULTS_REFUSED: "checks"}
    if _was_killed(ended):
        return Report("builder", f"{what}: it was killed from outside")
    return Report(blame.get(ended.status, failure), f"{what} (exit status {ended.status}{_met(ended)})")


def _was_killed(ended: isolation.Ended) -> bool:
    """Whether it, or a phase of it, was killed from outside, which says nothing about the package. Exceeding a limit is a
    failure of the package.

    An ebuild can print the same words. Then it is tried again as often as after a failure of this host, which is bounded.
    """
    killed = ended.status == isolation.KILLED or (ended.status != 0 and _PHASE_KILLED.search(ended.said) is not None)
    return killed and not ended.bound


def _met(ended: isolation.Ended) -> str:
    return f"; it met the bound for {ended.bound}" if ended.bound else ""


def _end(log: IO[bytes]) -> str:
    """The end of a log as one line."""
    log.seek(max(0, log.seek(0, os.SEEK_END) - limits.CAPTURE_SAID))
    return " ".join(log.read().decode("utf-8", "replace").split())[-600:] or "it said nothing"
