"""Steps run one after the other. The journal is saved before and after each one, so the next run continues a killed run.

A step that FAILED ends the run, and the next run starts with that step. If it fails again, that run starts once more from the
first step, because a new sync may fix the problem.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from portage_ext.errors import PortageExtError
from portage_ext.updates.journal import Journal
from portage_ext.updates.result import Outcome, Result

Save = Callable[[Journal], None]
Tell = Callable[[str], None]


def _silent(line: str) -> None:
    """The default for ``tell``: it ignores the message."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step. ``title`` says what it does, in the infinitive. ``run`` is called with the current journal when the step
    starts."""

    name: str
    title: str
    run: Callable[[Journal], Result]


def work(
    steps: Sequence[Step], journal: Journal, save: Save, *, tell: Tell = _silent, clock: Callable[[], float] = time.time
) -> Journal:
    """Run the ``steps`` that have no result in ``journal`` yet. Returns the journal after the last step or the first failure.

    Raises OSError if the journal cannot be saved.
    """
    went_on = bool(journal.results or journal.running)
    if went_on:
        journal = replace(journal, interrupted=journal.running or _first_left(steps, journal))
    journal, first_failed = _once(steps, journal, save, tell)
    if went_on and first_failed:
        tell("this step failed again; the run begins again with its first step")
        journal = journal.fresh(journal.role, int(clock()))
        journal, _ = _once(steps, journal, save, tell)
    return journal


def _once(steps: Sequence[Step], journal: Journal, save: Save, tell: Tell) -> tuple[Journal, bool]:
    """Run the remaining steps once. Returns the journal, and whether the first step that was run has failed."""
    first = True
    for step in steps:
        before = journal.results.get(step.name)
        if before is not None and before.outcome is not Outcome.FAILED:
            continue
        journal = journal.starting(step.name)
        save(journal)
        started = time.monotonic()
        try:
            result = step.run(journal)
        except (PortageExtError, OSError) as error:
            result = Result(Outcome.FAILED, str(error))
        result = replace(result, seconds=time.monotonic() - started)
        journal = journal.ended(step.name, result)
        save(journal)
        tell(f"{step.name}: {result.line}")
        if result.outcome is Outcome.FAILED:
            return journal, first
        first = False
    return journal, False


def _first_left(steps: Sequence[Step], journal: Journal) -> str:
    for step in steps:
        before = journal.results.get(step.name)
        if before is None or before.outcome is Outcome.FAILED:
            return step.name
    return ""
