"""What jobs need is read from the ledger and from the captures of their targets, and who failed at a job is avoided."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from portage_ext.builds.means import Means, means
from portage_ext.model.builder import Builder
from portage_ext.swarm.wishes import Wishes
from portage_ext.targets.capture import Target
from portage_ext.targets.differences import identity
from portage_ext.tasks.site import Site
from tests.unit.builds.examples import job

KEYS = [f"{number:02x}" * 32 for number in range(1, 5)]
LAPTOP = Target(Builder(chost="x86_64-pc-linux-gnu", cpu_needs=("avx2", "sse4_2")), 1)


@pytest.fixture
def its(tmp_path: Path) -> Iterator[Means]:
    with means(Site.read(tmp_path)) as made:
        made.targets.save("laptop", LAPTOP)
        yield made


def test_a_job_needs_what_its_target_is(its: Means) -> None:
    its.ledger.request(KEYS[0], "laptop", job(), priority=2, client="desk")
    its.ledger.request(KEYS[1], "laptop", job(cpv="app-misc/other-1"), needs=[KEYS[0]])
    its.ledger.request(KEYS[2], "gone", job(cpv="app-misc/third-1"))
    wishes = Wishes(its)
    first, second, third = wishes.waiting()
    assert (first.priority, first.blocked, first.wish.environment) == (2, "", identity(LAPTOP))
    assert (first.wish.machine, first.wish.features) == ("x86_64", {"avx2", "sse4_2"})
    assert second.blocked == "waits for app-misc/thing-1.0 before it"
    assert third.blocked == "there is no target gone any more"
    assert wishes.whose([KEYS[0], KEYS[2]]) == [("desk", "laptop"), ("", "gone")]
    assert (first.client, second.client) == ("desk", "")


def test_a_new_capture_counts_at_once(its: Means) -> None:
    its.ledger.request(KEYS[0], "laptop", job())
    wishes = Wishes(its)
    assert wishes.waiting()[0].wish.machine == "x86_64"
    its.targets.save("laptop", Target(Builder(chost="aarch64-unknown-linux-gnu"), 2))
    found = wishes.waiting()[0].wish
    assert (found.machine, found.features) == ("aarch64", None)


def test_one_capture_is_read_in_a_step(its: Means) -> None:
    its.targets.save("desk", LAPTOP)
    its.ledger.request(KEYS[0], "laptop", job())
    its.ledger.request(KEYS[1], "desk", job())
    wishes = Wishes(its)
    assert [one.key for one in wishes.waiting()] == KEYS[:1]
    assert [one.key for one in wishes.waiting()] == KEYS[:2]


def test_who_failed_at_a_job_is_avoided_and_who_gave_it_back_is_not(its: Means) -> None:
    its.ledger.request(KEYS[0], "laptop", job())
    wishes = Wishes(its)
    for number, blamed in enumerate((True, False)):
        attempt = its.ledger.take(f"builder:b{number}", its.places.log)
        assert attempt is not None
        if blamed:
            its.ledger.end(attempt, "failed", failure="builder", reason="lost")
        else:
            its.ledger.give_back(attempt, "the coordinator was stopped")
    assert wishes.waiting()[0].wish.avoided == {"b0"}


def test_an_environment_is_the_same_on_every_machine_that_has_it() -> None:
    elsewhere = Target(
        Builder(chost="x86_64-pc-linux-gnu", cpu_needs=("avx2", "sse4_2"), cpu_flags=("avx512f",)), 9, source="x"
    )
    assert identity(elsewhere) == identity(LAPTOP)
    assert identity(Target(Builder(chost="x86_64-pc-linux-gnu"), 1)) != identity(LAPTOP)
