"""What ends through nobody's fault is no try, and a job that waits says why."""

from __future__ import annotations

from pathlib import Path

from portage_ext.builds.ledger.entries import Attempt, Waits
from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.limits import builds as limits
from tests.unit.builds.examples import job

KEY = "ab" * 32


def take(ledger: Ledger) -> Attempt:
    attempt = ledger.take("builder:b1", lambda key, fence: f"{key}.{fence}")
    assert attempt is not None
    return attempt


def test_given_back_it_is_queued_however_often(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.request(KEY, "laptop", job())
    for _ in range(limits.BUILD_TRIES + 2):
        ledger.give_back(take(ledger), "the coordinator was stopped")
        assert (ledger.get(KEY).state, ledger.get(KEY).tries) == ("queued", 0)
    assert ledger.running() == []
    last = ledger.attempts(KEY)[-1]
    assert (last.outcome, last.failure) == ("the coordinator was stopped", "")


def test_one_that_does_not_count_any_more_changes_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.request(KEY, "laptop", job())
    attempt = take(ledger)
    ledger.cancel(KEY)
    ledger.give_back(attempt, "the coordinator was stopped")
    assert (ledger.get(KEY).state, ledger.get(KEY).tries) == ("cancelled", 1)


def test_reasons_are_those_of_queued_jobs(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    entry = ledger.request(KEY, "laptop", job(), priority=1)
    ledger.explain({KEY: "no builder can run it"})
    assert ledger.get(KEY).reason == "no builder can run it"
    assert ledger.waiting() == [Waits(KEY, "laptop", 1, entry.created, 0, "")]
    take(ledger)
    ledger.explain({KEY: "late"})
    assert ledger.get(KEY).reason == ""
    assert ledger.waiting() == []


def test_the_blame_of_an_attempt_is_kept(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.request(KEY, "laptop", job())
    ledger.end(take(ledger), "failed", failure="builder", reason="lost")
    assert [one.failure for one in ledger.attempts(KEY)] == ["builder"]
