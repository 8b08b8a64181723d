"""A run that ends anywhere goes on there, does no step twice that was done, and begins again where that does not help."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from portage_ext.errors import RequestError
from portage_ext.updates import journal
from portage_ext.updates.engine import Step, work
from portage_ext.updates.journal import Journal
from portage_ext.updates.result import Failed, Held, Outcome, Result, done

NAMES = ("sync", "plan", "emerge", "publish")


class Kill(BaseException):
    """The process is gone: nothing after this line is run."""


@dataclass(slots=True)
class Day:
    """Steps that note that they were run; ``bad`` says what a step does instead of working, once or always."""

    root: Path
    ran: list[str] = field(default_factory=list)
    bad: dict[str, Callable[[], Result]] = field(default_factory=dict)

    def steps(self) -> list[Step]:
        def step(name: str) -> Step:
            def run(_: Journal) -> Result:
                self.ran.append(name)
                return self.bad[name]() if name in self.bad else done(f"{name} done")

            return Step(name, name, run)

        return [step(name) for name in NAMES]

    def run(self) -> Journal:
        """A run as `update` makes it: with what the journal on the disk says."""
        before = journal.load(self.root) or Journal("binhost", 1)
        return work(self.steps(), before, lambda one: journal.save(self.root, one), clock=lambda: 2)


def kill() -> Result:
    raise Kill


def fail() -> Result:
    raise RequestError("no disk")


def completed(found: Journal) -> bool:
    return [*found.results] == list(NAMES) and all(one.outcome is Outcome.DONE for one in found.results.values())


@pytest.mark.parametrize("name", NAMES)
def test_after_a_kill_in_any_step_the_next_run_goes_on_with_it(tmp_path: Path, name: str) -> None:
    day = Day(tmp_path, bad={name: kill})
    with pytest.raises(Kill):
        day.run()
    day.bad, before = {}, list(day.ran)
    found = day.run()
    assert before[-1] == name
    assert day.ran == [*before, *NAMES[NAMES.index(name) :]]
    assert (found.interrupted, completed(found)) == (name, True)


@pytest.mark.parametrize("name", NAMES)
def test_a_failure_ends_the_run_and_the_next_one_tries_that_step_again(tmp_path: Path, name: str) -> None:
    day = Day(tmp_path, bad={name: fail})
    found = day.run()
    assert found.results[name].line == "no disk"
    assert [*found.results] == list(NAMES[: NAMES.index(name) + 1])
    day.ran, day.bad = [], {}
    again = day.run()
    assert day.ran == list(NAMES[NAMES.index(name) :])
    assert (again.interrupted, completed(again)) == (name, True)


def test_a_step_that_fails_twice_makes_the_run_begin_again_because_a_sync_may_mend_it(tmp_path: Path) -> None:
    day = Day(tmp_path, bad={"emerge": fail})
    day.run()
    tries = iter((fail, lambda: done("mended by the sync")))
    day.ran, day.bad = [], {"emerge": lambda: next(tries)()}
    found = day.run()
    assert day.ran == ["emerge", *NAMES]
    assert (found.begun, found.interrupted, completed(found)) == (2, "", True)


def test_a_run_begins_again_only_once(tmp_path: Path) -> None:
    day = Day(tmp_path, bad={"sync": fail})
    day.run()
    day.ran = []
    day.run()
    assert day.ran == ["sync", "sync"]


def test_what_only_partly_worked_does_not_stop_the_run(tmp_path: Path) -> None:
    day = Day(tmp_path, bad={"emerge": lambda: Result(Outcome.PARTLY, "one failed")})
    assert [*day.run().results] == list(NAMES)


def test_the_journal_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    result = Result(
        Outcome.PARTLY,
        "line",
        ("a/b-1",),
        (Failed("a/c-1", "why", "/log", ("x", "y")),),
        (Held("a/d-1", "w"),),
        ("t",),
        {"n": 1},
    )
    saved = Journal("client", 5, {"emerge": result}, "publish", "emerge", False, (3, 4))
    journal.save(tmp_path, saved)
    assert journal.load(tmp_path) == saved
    assert (tmp_path / journal.STATE / "journal.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', '{"format": 1, "role": "x"}', "1" * 5000, "[" * 100_000])
def test_a_journal_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / journal.STATE / "journal.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert journal.load(tmp_path) is None


def test_what_passed_its_trial_outlives_the_run_and_is_bounded() -> None:
    found = Journal("binhost", 1)
    for number in range(150):
        found = found.ended("trial", Result(Outcome.DONE, "", numbers={"passed": number}))
    assert found.fresh("binhost", 2).passed == tuple(range(50, 150))
