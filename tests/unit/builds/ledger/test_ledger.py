"""The ledger: equal requests are one job, an old fence changes nothing, and what failed for good is not tried again."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from portage_ext.builds.ledger.entries import Attempt, Share
from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.errors.builds import LedgerError
from portage_ext.limits import builds as limits
from tests.unit.builds.examples import job

KEY = "ab" * 32


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    clock = itertools.count(1_000)
    made = Ledger(tmp_path / "state/ledger.sqlite", lambda: float(next(clock)))
    yield made
    made.close()


def take(ledger: Ledger, runner: str = "r") -> Attempt:
    attempt = ledger.take(runner, lambda key, fence: f"{key[:4]}.{fence}.log")
    assert attempt is not None
    return attempt


def test_equal_requests_are_one_job(ledger: Ledger) -> None:
    for _ in range(100):
        ledger.request(KEY, "laptop", job())
    assert [(entry.key, entry.state, entry.job) for entry in ledger.entries()] == [(KEY, "queued", job())]
    take(ledger)
    assert ledger.request(KEY, "laptop", job()).state == "running"
    assert ledger.take("other", lambda key, fence: "") is None


def test_the_way_of_a_job(ledger: Ledger) -> None:
    ledger.request(KEY, "laptop", job())
    attempt = take(ledger)
    assert (attempt.fence, attempt.log, ledger.is_current(attempt)) == (1, "abab.1.log", True)
    assert ledger.end(attempt, "checked", result="/incoming/x")
    ledger.set_place(KEY, 1, "/pkgdir/x")
    assert ledger.publish(KEY, 1)
    assert not ledger.publish(KEY, 1)
    entry = ledger.find(KEY[:6])
    assert (entry.state, entry.result, entry.place) == ("published", "/incoming/x", "/pkgdir/x")
    assert ledger.request(KEY, "laptop", job()).state == "published"
    assert ledger.retry(KEY).state == "queued"


def test_a_further_target_gets_a_copy_of_each_build(ledger: Ledger) -> None:
    for target in ("laptop", "twin", "twin", "laptop"):
        ledger.request(KEY, target, job())
    assert ledger.shares() == []  # nothing is built
    attempt = take(ledger)
    ledger.end(attempt, "checked", result="/incoming/x")
    assert ledger.shares() == [Share(KEY, "twin", "", 0)]
    ledger.set_place(KEY, 1, "/pkgdir/x")
    ledger.publish(KEY, 1)
    ledger.set_share(Share(KEY, "twin", "/twin/x", 0))  # begun, and killed
    assert ledger.shares() == [Share(KEY, "twin", "/twin/x", 0)]
    assert (ledger.place(KEY, "laptop"), ledger.place(KEY, "twin")) == ("/pkgdir/x", "")
    ledger.set_share(Share(KEY, "twin", "/twin/x", 1))
    assert ledger.shares() == []
    assert (ledger.place(KEY, "laptop"), ledger.place(KEY, "twin")) == ("/pkgdir/x", "/twin/x")
    ledger.retry(KEY)
    assert ledger.place(KEY, "twin") == ""
    ledger.end(take(ledger), "checked", result="/incoming/x")
    assert ledger.shares() == [Share(KEY, "twin", "/twin/x", 1)]


def test_an_attempt_that_another_came_after_changes_nothing(ledger: Ledger) -> None:
    ledger.request(KEY, "laptop", job())
    late = take(ledger)
    ledger.end(late, "failed", failure="builder", reason="lost")
    newer = take(ledger)
    assert newer.fence == 2
    assert not ledger.is_current(late)
    assert not ledger.end(late, "checked", result="/late")
    assert ledger.end(newer, "checked", result="/newer")
    assert not ledger.publish(KEY, late.fence)
    assert ledger.publish(KEY, newer.fence)
    assert ledger.find(KEY).result == "/newer"


def test_a_failure_of_the_package_is_remembered(ledger: Ledger) -> None:
    ledger.request(KEY, "laptop", job())
    ledger.end(take(ledger), "failed", failure="package", reason="its build failed")
    entry = ledger.request(KEY, "laptop", job())
    assert (entry.state, entry.reason) == ("failed", "its build failed")
    assert ledger.retry(KEY).state == "queued"


@pytest.mark.parametrize("failure", ["environment", "checks"])
def test_another_failure_is_tried_again_when_it_is_asked_for(ledger: Ledger, failure: str) -> None:
    ledger.request(KEY, "laptop", job())
    ledger.end(take(ledger), "failed", failure=failure, reason="x")  # type: ignore[arg-type]
    assert ledger.entries("failed")
    assert ledger.request(KEY, "laptop", job()).state == "queued"


def test_a_failure_of_this_host_is_tried_again_by_itself_and_not_for_ever(ledger: Ledger) -> None:
    ledger.request(KEY, "laptop", job())
    for number in range(limits.BUILD_TRIES):
        assert ledger.find(KEY).state == "queued", number
        ledger.end(take(ledger), "failed", failure="builder", reason="killed")
    assert (ledger.find(KEY).state, ledger.find(KEY).failure) == ("failed", "builder")
    assert [attempt.outcome for attempt in ledger.attempts(KEY)] == ["killed"] * limits.BUILD_TRIES


def test_a_cancelled_job_stops_its_attempt_and_can_be_asked_for_again(ledger: Ledger) -> None:
    ledger.request(KEY, "laptop", job())
    attempt = take(ledger)
    assert ledger.cancel(KEY).state == "cancelled"
    assert not ledger.is_current(attempt)
    assert not ledger.end(attempt, "checked", result="/x")
    assert ledger.request(KEY, "laptop", job()).state == "queued"


def test_the_oldest_is_taken_first(ledger: Ledger) -> None:
    for key in ("cd" * 32, "ab" * 32):
        ledger.request(key, "laptop", job())
    assert [take(ledger).key[:2], take(ledger).key[:2]] == ["cd", "ab"]
    assert [attempt.key[:2] for attempt in ledger.running()] == ["cd", "ab"]


def test_keys_are_found_by_their_beginning(ledger: Ledger) -> None:
    ledger.request("ab" * 32, "laptop", job())
    ledger.request("ab" * 31 + "ac", "laptop", job())
    for beginning, why in (("ab", "several jobs"), ("ff", "no job"), ("%", "no job"), ("", "no job")):
        with pytest.raises(LedgerError, match=why):
            ledger.find(beginning)


def test_the_file_is_private_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"x" * 4096)
    with pytest.raises(LedgerError, match=r"ledger\.sqlite: cannot be opened"):
        Ledger(path)


def test_who_needs_a_job_that_fails_fails_too_and_comes_again_with_it(ledger: Ledger) -> None:
    first, second, third = ("ab" * 32, "cd" * 32, "ef" * 32)
    ledger.request(first, "laptop", job(cpv="dev-libs/libtiny-2"))
    ledger.request(second, "laptop", job(), needs=[first])
    ledger.request(third, "laptop", job(), needs=[first, second])
    assert [entry.key for entry in ledger.needs(third)] == [first, second]
    assert ledger.is_needed(first)
    assert ledger.moves([third])
    ledger.end(take(ledger), "failed", failure="package", reason="its build failed")
    for key in (second, third):
        entry = ledger.get(key)
        assert (entry.state, entry.failure) == ("failed", "needs")
        assert entry.reason == "it needs dev-libs/libtiny-2, which is failed (abababababab)"
    assert not ledger.moves([first, second, third])
    # Asking again changes nothing, as what it needs would fail again.
    assert ledger.request(third, "laptop", job(), needs=[first, second]).state == "failed"
    ledger.retry(first)
    assert {entry.state for entry in ledger.entries()} == {"queued"}
    ledger.cancel(first)
    assert [entry.failure for entry in ledger.entries()] == ["", "needs", "needs"]


def test_a_job_waits_in_vain_for_one_that_nobody_publishes(ledger: Ledger) -> None:
    first, second = "ab" * 32, "cd" * 32
    ledger.request(first, "laptop", job())
    ledger.request(second, "laptop", job(), needs=[first])
    attempt = take(ledger)
    assert ledger.moves([second])
    assert not ledger.moves(["ff" * 32])
    ledger.end(attempt, "checked", result="/x")
    assert not ledger.moves([second])
    assert not ledger.moves(None)
    ledger.publish(first, 1)
    assert ledger.moves(None)


def test_a_ledger_of_before_gets_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    with contextlib.closing(sqlite3.connect(path)) as old, old:
        old.execute("ALTER TABLE job DROP COLUMN priority")
    with contextlib.closing(Ledger(path)) as ledger:
        assert ledger.request(KEY, "laptop", job(), priority=2).priority == 2
