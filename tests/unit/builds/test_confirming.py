"""Two trust groups must make the same package; nobody votes twice, late votes are dropped, and what differs is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from portage_ext.builds import accepting, confirming
from portage_ext.builds.ledger.entries import Attempt, Entry
from portage_ext.builds.means import Means, means
from portage_ext.builds.sweeping import sweep
from portage_ext.config.building import Building
from portage_ext.errors import UsageError
from portage_ext.limits import builds as limits
from portage_ext.tasks.site import Site
from tests.testkit.binpkgs import gpkg, metadata
from tests.unit.builds.examples import job
from tests.unit.builds.test_accepting import KEY, brought

CONFIRM = '[build]\nconfirm = 2\nconfirm-for = ["app-misc/*"]\n'


@pytest.fixture
def its(tmp_path: Path) -> Iterator[Means]:
    file = tmp_path / "etc/portage/portage-ext.toml"
    file.parent.mkdir(parents=True)
    file.write_text(CONFIRM)
    with means(Site.read(tmp_path)) as made:
        made.ledger.request(KEY, "laptop", job())
        yield made


def package(content: bytes = b"data", time: str = "1700000000") -> bytes:
    values = metadata("app-misc/thing-1.0", IUSE="+foo bar", USE="foo amd64", CFLAGS="-O2 -march=x86-64-v2", BUILD_TIME=time)
    return gpkg(values, image=content)


def take(its: Means, builder: str, group: str) -> Attempt | None:
    return its.ledger.take(f"builder:{builder}", its.places.log, group=group)


def build(its: Means, work: Path, builder: str, group: str, data: bytes) -> Entry:
    attempt = take(its, builder, group)
    assert attempt is not None
    return deliver(its, work, attempt, data)


def deliver(its: Means, work: Path, attempt: Attempt, data: bytes) -> Entry:
    return accepting.accept(its, attempt, brought(work, data), trial=lambda means, attempt, result: None)


def kept(its: Means) -> list[Path]:
    return sorted(its.places.incoming.glob("*/*.gpkg.tar"))


def test_a_job_waits_for_another_group_and_is_accepted_when_that_agrees(its: Means, tmp_path: Path) -> None:
    waits = build(its, tmp_path, "b1", "lab", package())
    assert (waits.state, waits.result, waits.tries) == ("queued", "", 0)
    assert waits.reason == (
        "builder b1 (group lab) has built it, and builders of another group must build the same ([build] confirm)"
    )
    assert not its.ledger.publish(KEY, waits.fence)
    sweep(its)
    assert len(kept(its)) == 1
    done = build(its, tmp_path, "b2", "office", package(time="1800000000"))
    assert (done.state, done.reason, done.fence) == ("checked", "", 2)
    assert [Path(done.result)] == kept(its)
    assert Path(done.result).read_bytes() == package(time="1800000000")
    assert [(one.group, one.runner) for one in its.ledger.votes(KEY)] == [("lab", "builder:b1"), ("office", "builder:b2")]


def test_neither_a_group_nor_a_builder_votes_twice(its: Means, tmp_path: Path) -> None:
    build(its, tmp_path, "b1", "lab", package())
    assert take(its, "b2", "lab") is None
    # The same machine was moved to another group after its vote.
    assert take(its, "b1", "office") is None
    # The command of the local engine is of the group "", as is every builder without a group.
    assert take(its, "b3", "") is not None


def test_a_vote_that_does_not_count_changes_nothing(its: Means, tmp_path: Path) -> None:
    first = take(its, "b1", "lab")
    assert first is not None
    its.ledger.end(first, "failed", failure="builder", reason="lost")
    second = take(its, "b1", "lab")
    assert second is not None
    # Late, of a lost attempt; then twice; then with a fence or a group of its own making.
    assert deliver(its, tmp_path, first, package()).state == "running"
    assert deliver(its, tmp_path, second, package()).state == "queued"
    for one in (second, replace(second, group="office"), replace(second, fence=3), replace(second, runner="builder:b9")):
        assert deliver(its, tmp_path, one, package()).state == "queued"
        assert not its.ledger.vote(one, "/x", "checked")
    assert len(its.ledger.votes(KEY)) == len(kept(its)) == 1
    # Of an attempt that is running, but whose group has voted.
    third = take(its, "b2", "office")
    assert third is not None
    assert not its.ledger.vote(replace(third, group="lab"), "/x", "checked")
    assert its.ledger.get(KEY).state == "running"


def test_what_differs_is_kept_and_named_until_a_person_lets_it_be_built_again(its: Means, tmp_path: Path) -> None:
    build(its, tmp_path, "b1", "lab", package())
    found = build(its, tmp_path, "b2", "office", package(b"evil"))
    assert (found.state, found.failure, found.result) == ("failed", "differs", "")
    said = "builder b1 (group lab) and builder b2 (group office) made different packages: file /usr/share/data; see"
    assert found.reason.startswith(said)
    # Asking again does not have it built again, and what is kept is not swept away.
    assert its.ledger.request(KEY, "laptop", job()).state == "failed"
    sweep(its)
    votes = its.ledger.votes(KEY)
    assert [Path(one.result).read_bytes() for one in votes] == [package(), package(b"evil")]
    (report,) = (path for path in confirming.reports(votes) if path.endswith(confirming.REPORT))
    text = Path(report).read_text()
    assert "1 difference\n\nfile /usr/share/data\n  first   file 0644" in text
    assert f"second  builder b2 (group office), attempt 2: {votes[1].result}" in text
    assert its.ledger.retry(KEY).state == "queued"
    assert its.ledger.votes(KEY) == []
    sweep(its)
    assert kept(its) == []
    assert build(its, tmp_path, "b2", "office", package()).state == "queued"


def test_each_group_has_all_its_tries_and_a_cancelled_job_begins_anew(its: Means, tmp_path: Path) -> None:
    for group in ("lab", "office"):
        for number in range(limits.BUILD_TRIES - 1):
            lost = take(its, f"{group}{number}", group)
            assert lost is not None
            its.ledger.end(lost, "failed", failure="builder", reason="lost")
        if group == "lab":
            build(its, tmp_path, "lab9", group, package())
    assert its.ledger.get(KEY).state == "queued"
    its.ledger.cancel(KEY)
    assert its.ledger.votes(KEY) == []
    its.ledger.request(KEY, "laptop", job())
    assert take(its, "lab1", "lab") is not None


def test_the_package_of_the_first_group_is_gone(its: Means, tmp_path: Path) -> None:
    build(its, tmp_path, "b1", "lab", package())
    kept(its)[0].unlink()
    found = build(its, tmp_path, "b2", "office", package())
    assert (found.state, found.failure) == ("failed", "environment")
    assert "the package of builder b1 (group lab) cannot be compared any more" in found.reason


def test_a_job_that_has_a_vote_is_compared_though_nobody_asks_for_it_any_more(its: Means, tmp_path: Path) -> None:
    build(its, tmp_path, "b1", "lab", package())
    attempt = take(its, "b2", "office")
    assert attempt is not None
    (tmp_path / "etc/portage/portage-ext.toml").write_text("")
    with means(Site.read(tmp_path)) as later:
        assert deliver(later, tmp_path, attempt, package(b"evil")).failure == "differs"


def test_only_named_packages_are_confirmed() -> None:
    named = Building(confirm=2, confirm_for=("app-misc/*", "sys-libs/glibc"))
    assert confirming.is_wanted(named, job())
    assert confirming.is_wanted(Building(confirm=2), job(cpv="dev-libs/other-1"))
    assert not confirming.is_wanted(named, job(cpv="dev-libs/other-1"))
    assert not confirming.is_wanted(Building(), job())


def test_a_mistake_in_the_settings_stops_everything(tmp_path: Path) -> None:
    file = tmp_path / "etc/portage/portage-ext.toml"
    file.parent.mkdir(parents=True)
    file.write_text(CONFIRM.replace("app-misc/*", "thing"))
    with pytest.raises(UsageError, match="'thing' is no atom"), means(Site.read(tmp_path)):
        pass


def test_a_run_that_was_killed_before_it_was_recorded_is_repeated(its: Means, tmp_path: Path) -> None:
    attempt = take(its, "b1", "lab")
    assert attempt is not None
    directory = brought(tmp_path, package())
    left = its.places.incoming / f"{KEY[:16]}.1"
    left.mkdir(parents=True)
    os.link(next(directory.rglob("*.gpkg.tar")), left / "thing-1.0-1.gpkg.tar")
    assert accepting.accept(its, attempt, directory, trial=lambda *all: None).state == "queued"
    assert len(its.ledger.votes(KEY)) == 1


def test_diffoscope_looks_too_where_it_is_installed(its: Means, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # In place of the real one, which is large: it says who it is and what it was given.
    program = tmp_path / "bin/diffoscope"
    program.parent.mkdir()
    script = "id -u; cmp first/image.tar second/image.tar; cat /sys/class/net/*/operstate | wc -l; exit 1"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.getuid():
            parent.chmod(parent.stat().st_mode | 0o011)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    build(its, tmp_path, "b1", "lab", package())
    build(its, tmp_path, "b2", "office", package(b"evil"))
    (report,) = (path for path in confirming.reports(its.ledger.votes(KEY)) if path.endswith(confirming.DIFFOSCOPE))
    user = 65534 if os.geteuid() == 0 else os.getuid()
    assert Path(report).read_text().startswith(f"{user}\nfirst/image.tar second/image.tar differ")
