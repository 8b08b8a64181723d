"""A person who waits sees where a job stands, why it waits, and how long it takes by past builds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from portage_ext.builds.ledger.entries import Attempt
from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.builds.ledger.standing import follow, look
from tests.unit.builds.examples import job

KEYS = [f"{number:02x}" * 32 for number in range(1, 4)]
clock = 1000.0


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "ledger.sqlite", lambda: clock)
    yield made
    made.close()


def take(ledger: Ledger) -> Attempt:
    attempt = ledger.take("r", lambda key, fence: f"{key}.{fence}")
    assert attempt is not None
    return attempt


def test_place_reason_and_estimate(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in KEYS:
        ledger.request(key, "laptop", job())
    assert [(one.ahead, one.reason, one.seconds) for one in look(ledger, KEYS)] == [
        (0, "is next", None),
        (1, "waits for 1 job before it", None),
        (2, "waits for 2 jobs before it", None),
    ]
    attempt = take(ledger)
    monkeypatch.setattr(f"{__name__}.clock", 1040.0)
    assert (look(ledger, KEYS[:1])[0].runs, look(ledger, KEYS[:1])[0].has_ended) == (40, False)
    ledger.end(attempt, "checked", result="/x")
    found = look(ledger, KEYS)
    assert [one.seconds for one in found] == [40, 40, 40]
    assert found[0].reason == "is to be published"


def test_who_is_asked_for_with_a_higher_priority_comes_first(ledger: Ledger) -> None:
    ledger.request(KEYS[0], "laptop", job())
    ledger.request(KEYS[1], "laptop", job(), priority=2)
    ledger.request(KEYS[1], "laptop", job(), priority=1)
    assert ledger.queue() == [KEYS[1], KEYS[0]]
    assert take(ledger).key == KEYS[1]


def test_a_job_waits_for_those_that_it_needs(ledger: Ledger) -> None:
    ledger.request(KEYS[1], "laptop", job(cpv="dev-libs/libtiny-2"))
    ledger.request(KEYS[0], "laptop", job(), priority=9, needs=[KEYS[1]])
    assert look(ledger, KEYS[:1])[0].reason == "needs dev-libs/libtiny-2 (queued)"
    attempt = take(ledger)
    assert attempt.key == KEYS[1]
    assert ledger.take("other", lambda key, fence: "") is None
    ledger.end(attempt, "checked", result="/x")
    assert ledger.take("other", lambda key, fence: "") is None
    ledger.publish(KEYS[1], 1)
    assert take(ledger).key == KEYS[0]


def test_each_change_is_told_until_all_have_ended(ledger: Ledger) -> None:
    ledger.request(KEYS[0], "laptop", job())

    def sleep(seconds: float) -> None:
        if ledger.entries("queued"):
            take(ledger)
        else:
            ledger.cancel(KEYS[0])

    assert [one.entry.state for one in follow(ledger, KEYS[:1], sleep=sleep)] == ["queued", "running", "cancelled"]
    ledger.request(KEYS[1], "laptop", job())
    assert [one.entry.state for one in follow(ledger, KEYS[1:2], seconds=0)] == ["queued"]
