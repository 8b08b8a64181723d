"""Only one update runs at a time; it continues where the last one stopped, reports, and writes the log of runs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from portage_ext import files, locks
from portage_ext.config.updating import BINHOST, CLIENT, NEVER, PROBLEMS
from portage_ext.errors import LockError
from portage_ext.errors.updates import RunningUpdateError
from portage_ext.tasks.site import Site
from portage_ext.unattended import log, updated
from portage_ext.unattended.log import Run
from portage_ext.updates import engine, journal, report
from portage_ext.updates.binhost import Publishing
from portage_ext.updates.client import Client
from portage_ext.updates.commands import Commands
from portage_ext.updates.engine import Step
from portage_ext.updates.journal import Journal
from portage_ext.updates.merging import Emerging
from portage_ext.updates.report import Report
from portage_ext.updates.result import Outcome, Result

WHAT: Final = "update"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would do: its steps, each with its title and whether an earlier run has done it, and the plan of emerge."""

    role: str
    steps: tuple[tuple[Step, bool], ...]
    plan: Result


def role_of(site: Site) -> str:
    """The role of this host, from [update] in portage-ext.toml or from how it is set up."""
    return site.settings.updating.role or (BINHOST if site.settings.publishing.own is not None else CLIENT)


def steps_of(site: Site, role: str, commands: Commands) -> list[Step]:
    """The steps of ``role`` on this host, in order."""
    first = Emerging(site, commands)
    if role == CLIENT:
        return Client(first).steps()
    return [*first.steps(), *Publishing(site, commands).steps()]


def preview(site: Site, role: str | None = None) -> Preview:
    """What :func:`update` would do now, without a sync. Raises StepError, OSError."""
    role = role or role_of(site)
    with alone(site.config_root) as lock:
        commands = Commands(site.config_root, lock)
        steps = steps_of(site, role, commands)
        last = _unfinished(site.config_root, role)
        results = {} if last is None else last.results
        done = tuple((step, step.name in results and results[step.name].outcome is not Outcome.FAILED) for step in steps)
        plan = next(step for step in steps if step.name == "plan").run(Journal(role, 0))
    return Preview(role, done, plan)


def update(
    site: Site,
    role: str | None = None,
    *,
    restart: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> Report:
    """Finish the last run, or do a new one if it is complete. With ``restart``, always do a new one. ``tell`` is called for
    each step.

    Raises RunningUpdateError if another update runs, OSError if the journal cannot be written.
    """
    role, root = role or role_of(site), site.config_root
    with alone(root) as lock:
        commands = Commands(root, lock)
        steps = steps_of(site, role, commands)
        before = None if restart else _unfinished(root, role)
        if before is None:
            last = journal.load(root)
            before = Journal(role, int(time.time())) if last is None else last.fresh(role, int(time.time()))
            commands.clear()

        def save(one: Journal) -> None:
            journal.save(root, one)
            if role == BINHOST and site.settings.publishing.site:
                updated.save(root, report.for_pages(one))

        ended = engine.work(steps, before, save, tell=tell)
        made = report.made(ended, steps)
        _deliver(site, made, tell)
        journal.save(root, replace(ended, finished=made.complete))
    return made


def last(site: Site) -> Report | None:
    """The report of the last run; None if there was none."""
    found = journal.load(site.config_root)
    return None if found is None else report.made(found, steps_of(site, found.role, Commands(site.config_root)))


@contextlib.contextmanager
def alone(root: Path) -> Iterator[int]:
    """Hold the lock of the update below ``root`` and give its descriptor. Raises RunningUpdateError, LockError, OSError."""
    directory = root / journal.STATE
    files.make_directory(directory, 0o700)
    path = directory / "lock"
    with locks.tried(path) as lock:
        if lock is None:
            raise RunningUpdateError(str(path), locks.holder(path))
        yield lock


def _unfinished(root: Path, role: str) -> Journal | None:
    found = journal.load(root)
    return found if found is not None and not found.finished and found.role == role else None


def _deliver(site: Site, made: Report, tell: Callable[[str], None]) -> None:
    """Write the log of runs, and send the report through Portage's message system (elog). A failure only causes a message."""
    lines, when = list(made.text()), site.settings.updating.report
    try:
        log.append(site.config_root, Run(int(time.time()), WHAT, made.ok, made.line(), _release(made), made.seconds))
    except (LockError, OSError) as error:
        tell(f"cannot write the log of runs: {error}")
    if when == NEVER or (when == PROBLEMS and made.ok):
        return
    try:
        from portage_ext.host import elog

        elog.report(lines, error=not made.ok)
    except Exception as error:  # noqa: BLE001 - the update itself is done, so failing to send its report must not fail it
        tell(f"cannot send the report by elog: {type(error).__name__}: {error}")


def _release(made: Report) -> int | None:
    numbers = [result.numbers["release"] for _, result in made.steps if "release" in result.numbers]
    return numbers[-1] if numbers else None
