"""`portage-ext watch` sees the builds that run: by the ledger, with edges, and none of which the builder is gone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from portage_ext.builds import running
from portage_ext.builds.ledger.entries import Attempt
from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.builds.places import LEDGER
from portage_ext.cli.watch import _Builds
from tests.unit.builds.examples import job

KEYS = [f"{number:02x}" * 32 for number in range(1, 6)]
HERE = f"{os.getpid()}.0123abcd"
clock = 1000.0


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / LEDGER, lambda: clock)
    yield made
    made.close()


def take(ledger: Ledger, runner: str = HERE) -> Attempt:
    attempt = ledger.take(runner, lambda key, fence: f"/log/{key[:2]}.{fence}")
    assert attempt is not None
    return attempt


def test_a_list_has_what_runs_what_waits_for_it_and_what_ended_meanwhile(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.request(KEYS[4], "laptop", job(cpv="app-misc/long-ago-1"))
    ledger.end(take(ledger), "failed", failure="package")
    monkeypatch.setattr(f"{__name__}.clock", 2000.0)
    ledger.request(KEYS[1], "laptop", job(cpv="dev-libs/b-1"))
    ledger.request(KEYS[2], "laptop", job(cpv="dev-libs/c-1"))
    ledger.request(KEYS[0], "laptop", job(cpv="app-misc/a-1"), needs=[KEYS[1], KEYS[2]])
    ledger.request(KEYS[3], "server", job(cpv="app-misc/other-1"))
    first = take(ledger)
    ledger.end(first, "checked", result="/x")
    ledger.publish(first.key, first.fence)
    second = take(ledger)
    monkeypatch.setattr(f"{__name__}.clock", 2030.0)
    (found,) = running.lists(ledger, 2)
    target, plan, moment = found
    assert (target, [one.cpv for one in plan.nodes]) == ("laptop", ["dev-libs/b-1", "dev-libs/c-1", "app-misc/a-1"])
    assert plan.needs == ((), (), (0, 1))
    assert (moment.taken, moment.jobs, moment.done, moment.failed) == (2030.0, 2, {0}, frozenset())
    (at,) = moment.running
    assert (at.package, at.since, at.log) == (1, 2000.0, second.log)


@pytest.mark.parametrize(
    ("runner", "seen"), [(HERE, True), ("4194303.0123abcd", False), ("elsewhere:7", True)], ids=("lives", "gone", "elsewhere")
)
def test_what_a_killed_builder_has_left_does_not_run(ledger: Ledger, runner: str, seen: bool) -> None:
    ledger.request(KEYS[0], "laptop", job())
    take(ledger, runner)
    assert bool(running.lists(ledger)) == seen


def test_looking_makes_no_ledger_and_a_damaged_one_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    look = _Builds(tmp_path)
    assert list(look()) == []
    assert list(tmp_path.iterdir()) == []
    (tmp_path / LEDGER).write_bytes(b"no database" * 1000)
    assert list(look()) == []
    assert list(look()) == []
    assert capsys.readouterr().err.count("portage-ext watch: ") == 1


def test_the_command_shows_builds_beside_emerges(ledger: Ledger, tmp_path: Path) -> None:
    ledger.request(KEYS[0], "laptop", job())
    take(ledger)
    (found,) = _Builds(tmp_path)()
    assert (found.title, found.pid, found.plan.nodes[0].cpv) == ("builds for laptop", 0, "app-misc/thing-1.0")
