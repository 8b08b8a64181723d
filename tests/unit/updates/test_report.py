"""The report says what came, what failed and why, what was held back; and whether somebody must act."""

from __future__ import annotations

from portage_ext.updates.engine import Step
from portage_ext.updates.journal import Journal
from portage_ext.updates.report import made
from portage_ext.updates.result import Failed, Held, Outcome, Result, done

STEPS = [Step(name, name, lambda _: done("")) for name in ("emerge", "publish", "promote")]


def test_a_day_in_words() -> None:
    emerge = Result(
        Outcome.PARTLY, "1 merged, 1 failed, 1 held back", ("a/b-1",), (Failed("a/c-1", "broke", "/log", ("word",)),),
        (Held("a/d-1", "left out"), Held("a/e-1", "left out")), seconds=600,
    )  # fmt: skip
    results = {"emerge": emerge, "publish": done("release 1"), "promote": Result(Outcome.DONE, "release 2", ("a/b-1-1",))}
    found = made(Journal("binhost", 1_700_000_000, results, interrupted="emerge"), STEPS)
    assert (found.ok, found.complete, found.line()) == (False, True, "1 package for clients; 1 failed; 2 held back")
    assert list(found.text()) == [
        "update of 2023-11-14 22:13 UTC (binhost, 10 min): NOT OK",
        "went on with the step emerge, where the run before had stopped",
        "  emerge: NOT OK: 1 merged, 1 failed, 1 held back",
        "  publish: release 1",
        "  promote: release 2",
        "new for clients: 1 package",
        "  a/b-1-1",
        "failed: a/c-1: broke (log: /log)",
        "    word",
        "held back: 2 packages: left out (such as a/d-1)",
        "building took 10 min here; every client that takes these packages saves that time",
    ]


def test_a_run_that_stopped_says_where_and_what_comes_next() -> None:
    found = made(Journal("client", 1_700_000_000, {"emerge": Result(Outcome.FAILED, "no disk")}), STEPS)
    assert (found.ok, found.complete) == (False, False)
    assert found.line() == "stopped at emerge: no disk; 0 packages merged"
    assert list(found.text())[-1] == "the next run goes on with the step that failed: portage-ext update"


def test_a_good_day_asks_for_nobody() -> None:
    results = {step.name: done("fine") for step in STEPS}
    assert made(Journal("binhost", 1, results), STEPS).ok
