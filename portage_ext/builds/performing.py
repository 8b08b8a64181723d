"""One job is built, or a plan is made, in the environment of the target, without the ledger, signing keys or PKGDIR of this
host.

Every attempt has its own scratch directory and ends when this process ends, even if it is killed. The files that emerge leaves
in its PKGDIR are returned unchecked: the host that gave the order checks them.
"""

from __future__ import annotations

import contextlib
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

from portage_ext import files
from portage_ext.builds.cages import isolation
from portage_ext.builds.cages.cage import CAGE_FAILED, RESULTS_REFUSED, Bind, Bounds, Cage
from portage_ext.builds.cages.checking import Check, checking
from portage_ext.builds.cages.environment import (
    ADDITIONS,
    DISTDIR,
    PKGDIR,
    Environment,
    environment,
    resolved,
    write_layer,
)
from portage_ext.builds.cages.scratches import scratch
from portage_ext.builds.distfiles import Distfiles
from portage_ext.builds.issuing import digest
from portage_ext.builds.key import Job, Planned, parse
from portage_ext.builds.layers.store import Layers
from portage_ext.builds.orders import Failure, Order, Report
from portage_ext.builds.places import Places
from portage_ext.errors import PortageExtError
from portage_ext.errors.builds import BlockedError, JobError, RefusedResultError
from portage_ext.limits import builds as limits
from portage_ext.model import GPKG_SUFFIX, Cpv
from portage_ext.model.provenance import JOB
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
            write_layer(place, directory / "layer")
            words = ("sh", "-c", 'mkdir -p "$0" && exec "$@" >"$0/plan"', PKGDIR, *place.describe(*atoms))
            bounds = self.bounds._replace(seconds=limits.PLAN_SECONDS, results=limits.PLAN_SIZE)
            ended = isolation.run(self._cage(place, directory, words, bounds=bounds, out="plan"), log)
            check()  # the resolver builds nothing, so it runs beside the check
            answer = directory / "plan/plan"
            if not answer.is_file():
                raise JobError(name, f"its plan could not be made (exit status {ended.status}{_met(ended)}): {_end(log)}")
            plan = parse(answer.read_bytes(), name)
            if native := next((one.job.cpv for one in plan if not resolved(one.job.variables)), ""):
                why = f"leaves the CPU for {native} to the compiler of this host, such as by -march=native in its profile"
                raise BlockedError(name, why, "name the CPU of the target in its make.conf, and capture it again")
            return plan

    def perform(self, order: Order, additions: Path, out: Path, log: IO[bytes], first: isolation.Begun | None = None) -> Report:
        """Build the job of ``order``. The packages go to the directory ``out``/packages, the output of emerge to ``log``.

        ``additions`` has the packages of the order, each named by its digest. ``out`` must exist and be empty. ``first`` is the
        first process of the build's cage, if it was begun before. Failures are in the report, which is also written to ``out``.
        Raises OSError if the report cannot be written.
        """
        began = time.monotonic()
        try:
            ended = self._built(order, additions, out, log, first)
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
        with self.trial(order, additions, log) as trial:
            trial.merge(result, log)

    @contextlib.contextmanager
    def trial(self, order: Order, additions: Path, log: IO[bytes]) -> Iterator[Trial]:
        """Load the emerge that will merge the package of ``order`` on trial, and give the trial. Raises PortageExtError,
        OSError."""
        target = self.store.load(order.target)
        place = environment(order.target, target)

        def check() -> None:
            with checking(order.target, target) as (_, passes):
                passes()

        with place.held(), self._over(place, check, order, additions, log) as (directory, over):
            packages = directory / "packages"
            packages.mkdir()
            cage = self._merging(place, directory, packages, [order.job.cpv], over)
            # The cage is removed as a whole, so emerge need not remove its work directory.
            features = f"{cage.environment['FEATURES']} noclean"
            with isolation.started(cage._replace(environment={**cage.environment, "FEATURES": features})) as running:
                yield Trial(order, place, packages, running)

    @contextlib.contextmanager
    def _over(
        self, place: Environment, check: Check, order: Order, additions: Path, log: IO[bytes]
    ) -> Iterator[tuple[Path, tuple[Path, ...]]]:
        """Give a scratch directory with the configuration layer in it, and the layers over the environment for ``order``."""
        with scratch(self.places) as directory, contextlib.ExitStack() as held:
            try:
                write_layer(place, directory / "layer")
            except (PortageExtError, OSError):
                check()  # if the environment differs from the target, that is the reason
                raise
            over: tuple[Path, ...] = ()
            if order.additions:
                recipe = {"environment": place.digest(), "additions": [asdict(one) for one in order.additions]}
                merge = partial(self._merge, place, check, directory, order, additions, log)
                over = (held.enter_context(Layers(self.places.layers).layer(recipe, merge)),)
            yield directory, over

    def _built(self, order: Order, additions: Path, out: Path, log: IO[bytes], first: isolation.Begun | None) -> Report:
        job = order.job
        with (
            checking(order.target, self.store.load(order.target)) as (place, check),
            self._over(place, check, order, additions, log) as (directory, over),
        ):
            if (failed := self._fetched(place, check, job, directory, log)) is not None:
                return failed
            binds = (Bind(str(directory / "distfiles"), DISTDIR),)
            words = place.early_emerge(*_BUILD, f"={job.cpv}")
            cage = self._cage(place, directory, words, out="binpkgs", over=over, binds=binds, early=True)
            cage = cage._replace(environment={**cage.environment, JOB: order.key})
            built = isolation.run(cage, log, before=check, first=first)
            if built.status or built.bound:
                return _failed(built, "its build failed", "package")
            shutil.move(directory / "binpkgs", out / PACKAGES)
            return Report()

    def _merge(
        self, place: Environment, check: Check, directory: Path, order: Order, additions: Path, log: IO[bytes], tree: Path
    ) -> None:
        """Merge the packages of ``order`` over the environment and copy the written files to ``tree``. Raises JobError,
        OSError."""
        with tempfile.TemporaryDirectory(dir=directory) as name:
            packages = Path(name)
            for one in order.additions:
                source = additions / one.blake2b
                if not source.is_file() or source.is_symlink() or digest(source) != one.blake2b:
                    why = f"{order.job.cpv} needs {one.cpv}, whose package is not with the order, or is another"
                    raise JobError(order.target, why)
                _add(packages, one.cpv, f"{Cpv.parse(one.cpv).pf}-{one.build}{GPKG_SUFFIX}", source)
            cage = self._merging(place, directory, packages, [one.cpv for one in order.additions])
            ended = isolation.run(cage._replace(keep=str(tree)), log, before=check)
        if _was_killed(ended) or ended.status == CAGE_FAILED:
            raise OSError(f"merging what {order.job.cpv} needs was killed, or could not be isolated")
        if ended.status or ended.bound:
            names = ", ".join(one.cpv for one in order.additions)
            why = f"what {order.job.cpv} needs ({names}) could not be merged over the environment (exit status {ended.status}"
            raise JobError(order.target, f"{why}{_met(ended)})")

    def _merging(
        self, place: Environment, directory: Path, packages: Path, cpvs: Sequence[str], over: tuple[Path, ...] = ()
    ) -> Cage:
        """A cage in which the environment's emerge merges ``cpvs`` in this order from the directory ``packages``."""
        words = place.early_emerge(*_MERGE, *(f"={cpv}" for cpv in cpvs), merges=True)
        return self._cage(place, directory, words, over=over, binds=(Bind(str(packages), ADDITIONS),), early=True)

    def _fetched(self, place: Environment, check: Check, job: Job, directory: Path, log: IO[bytes]) -> Report | None:
        """Put the distfiles of ``job`` into the directory ``distfiles``. Returns a report if they could not be fetched."""
        store, into = Distfiles(self.places.distfiles), directory / "distfiles"
        into.mkdir()
        missing = store.lay_out(job.cpv, job.distfiles, into)
        if not missing:
            return None
        words = ("env", f"DISTDIR={PKGDIR}", *place.emerge(*_FETCH, f"={job.cpv}"))
        cage = self._cage(place, directory, words, out="fetched", network=True)
        fetched = isolation.run(cage, log, before=check)
        if fetched.status or fetched.bound:
            return _failed(fetched, f"its distfiles could not be fetched ({', '.join(missing)})", "environment")
        wanted = {name: job.distfiles[name] for name in missing}
        store.take(job.cpv, wanted, directory / "fetched")
        store.lay_out(job.cpv, wanted, into)
        return None

    def _cage(
        self,
        place: Environment,
        directory: Path,
        words: tuple[str, ...],
        *,
        out: str = "",
        over: tuple[Path, ...] = (),
        bounds: Bounds | None = None,
        binds: tuple[Bind, ...] = (),
        network: bool = False,
        early: bool = False,
    ) -> Cage:
        """A cage that runs ``words`` with the layers ``over`` the environment. The files in PKGDIR are copied to the directory
        ``out``, which is created."""
        layers = (directory / "layer", *over)
        cage = place.cage(layers, directory / "root", words, bounds or self.bounds, binds=binds, network=network)
        if out:
            (directory / out).mkdir()
            cage = cage._replace(results=PKGDIR, out=str(directory / out))
        return cage._replace(early=early)


@dataclass(frozen=True, slots=True)
class Trial:
    """The emerge that merges the package of ``order`` on trial, loaded in a cage."""

    order: Order
    place: Environment
    packages: Path
    running: isolation.Running

    @property
    def waits(self) -> bool:
        """Whether it still waits for the package, and was not killed meanwhile."""
        return self.running.lives

    def merge(self, result: Path, log: IO[bytes]) -> None:
        """Merge the package ``result``. Raises RefusedResultError if it cannot be merged, other PortageExtErrors, OSError."""
        cpv = self.order.job.cpv
        _add(self.packages, cpv, result.name, result)
        # Nothing of the merge is kept, so it runs beside the check.
        with checking(self.order.target, self.place.target) as (_, check):
            ended = self.running.finish(log)
            check()
        if _was_killed(ended) or ended.status == CAGE_FAILED:
            raise OSError("the trial installation was killed, or could not be isolated")
        if ended.status or ended.bound:
            target, status = self.order.target, f"exit status {ended.status}{_met(ended)}"
            raise RefusedResultError(cpv, f"it cannot be installed in the environment of target {target} ({status})")


def _add(packages: Path, cpv: str, name: str, source: Path) -> None:
    """Copy the package ``source`` to its place in a PKGDIR."""
    parsed = Cpv.parse(cpv)
    place = packages / parsed.category / parsed.pn
    place.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, place / name)


def _failed(ended: isolation.Ended, what: str, failure: Failure) -> Report:
    blame: dict[int, Failure] = {CAGE_FAILED: "builder", RESULTS_REFUSED: "checks"}
    if _was_killed(ended):
        return Report("builder", f"{what}: it, or a phase of it, was killed")
    return Report(blame.get(ended.status, failure), f"{what} (exit status {ended.status}{_met(ended)})")


def _was_killed(ended: isolation.Ended) -> bool:
    """Whether it, or a phase of it, was killed from outside, which says nothing about the package. Exceeding a limit is a
    failure of the package.

    An ebuild can print the same words, or kill its own shell. Then it is tried again as often as after a failure of this host,
    which is bounded.
    """
    killed = ended.status == isolation.KILLED or (ended.status != 0 and _PHASE_KILLED.search(ended.said) is not None)
    return killed and not ended.bound


def _met(ended: isolation.Ended) -> str:
    return f"; it met the bound for {ended.bound}" if ended.bound else ""


def _end(log: IO[bytes]) -> str:
    """The end of a log as one line."""
    log.seek(max(0, log.seek(0, os.SEEK_END) - limits.CAPTURE_SAID))
    return " ".join(log.read().decode("utf-8", "replace").split())[-600:] or "it said nothing"
