"""What a builder brings is judged by its fence, its report and its package, and each lie is named."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, cast

import pytest

from portage_ext.builds import accepting
from portage_ext.builds.ledger.entries import Attempt, Entry
from portage_ext.builds.means import Means, means
from portage_ext.builds.orders import Order, Report
from portage_ext.builds.performing import Performer, Trial
from portage_ext.errors.builds import RefusedResultError
from portage_ext.tasks.site import Site
from tests.testkit.binpkgs import gpkg, metadata, put
from tests.unit.builds.examples import job

KEY = "ab" * 32
NAME = "app-misc/thing/thing-1.0-1.gpkg.tar"


def accept(its: Means, attempt: Attempt, directory: Path, why: str = "") -> Entry:
    """What the command does, but for the trial installation, which needs an environment; it says ``why`` it refuses."""

    def trial(means: Means, attempt: Attempt, result: Path) -> None:
        if why:
            raise RefusedResultError("app-misc/thing-1.0", why)

    return accepting.accept(its, attempt, directory, trial=trial)


def package(cpv: str = "app-misc/thing-1.0") -> bytes:
    return gpkg(metadata(cpv, IUSE="+foo bar", USE="foo amd64", CFLAGS="-O2 -march=x86-64-v2", CXXFLAGS=""))


@pytest.fixture
def its(tmp_path: Path) -> Iterator[Means]:
    with means(Site.read(tmp_path)) as made:
        made.ledger.request(KEY, "laptop", job())
        yield made


def take(its: Means) -> Attempt:
    attempt = its.ledger.take("far", its.places.log)
    assert attempt is not None
    return attempt


def brought(work: Path, data: bytes | None = None, report: Report | None = None) -> Path:
    directory = work / "brought"
    put(directory / "packages", NAME, package() if data is None else data)
    (directory / "report.json").write_bytes((report or Report()).emit())
    return directory


def test_a_good_result_is_kept_where_no_builder_is(its: Means, tmp_path: Path) -> None:
    entry = accept(its, take(its), brought(tmp_path))
    assert (entry.state, Path(entry.result).read_bytes()) == ("checked", package())
    assert Path(entry.result).is_relative_to(its.places.incoming)


def test_what_another_attempt_came_after_is_dropped(its: Means, tmp_path: Path) -> None:
    late = take(its)
    its.ledger.end(late, "failed", failure="builder", reason="lost")
    newer = take(its)
    assert accept(its, late, brought(tmp_path)).state == "running"
    assert accept(its, newer, brought(tmp_path)).state == "checked"
    # The same attempt is delivered twice.
    assert accept(its, newer, brought(tmp_path)).state == "checked"
    assert len(list(its.places.incoming.iterdir())) == 1


def test_what_cannot_be_installed_is_refused(its: Means, tmp_path: Path) -> None:
    entry = accept(its, take(its), brought(tmp_path), "it cannot be installed")
    assert (entry.state, entry.failure) == ("failed", "checks")
    assert "it cannot be installed" in entry.reason
    assert not its.places.incoming.exists()


def test_a_trial_that_was_killed_is_tried_again(its: Means, tmp_path: Path) -> None:
    def killed(means: Means, attempt: Attempt, result: Path) -> None:
        raise OSError("the trial installation was killed")

    assert accepting.accept(its, take(its), brought(tmp_path), trial=killed).state == "queued"
    assert accept(its, take(its), brought(tmp_path)).state == "checked"


@pytest.mark.parametrize("failure", ["package", "environment", "checks"])
def test_a_failure_is_whose_the_report_says(its: Means, tmp_path: Path, failure: str) -> None:
    entry = accept(its, take(its), brought(tmp_path, report=Report(failure, "it broke")))  # type: ignore[arg-type]
    assert (entry.state, entry.failure) == ("failed", failure)
    assert entry.reason == f"it broke; see `portage-ext builds log {entry.key[:12]}` on the build host"


def no_report(directory: Path) -> None:
    (directory / "report.json").unlink()


def linked_report(directory: Path) -> None:
    no_report(directory)
    (directory / "report.json").symlink_to("/etc/passwd")


def fifo(directory: Path) -> None:
    no_report(directory)
    os.mkfifo(directory / "report.json")


def garbage(directory: Path) -> None:
    (directory / "report.json").write_text("{}")


def other_job(directory: Path) -> None:
    put(directory / "packages", NAME, package("app-misc/other-1.0"))


def no_packages(directory: Path) -> None:
    (directory / "packages").rename(directory / "elsewhere")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (no_report, "no report that can be read"),
        (linked_report, "no report that can be read"),
        (fifo, "its report is no regular file"),
        (garbage, "format is not"),
        (other_job, "its CPV is 'app-misc/other-1.0'"),
        (no_packages, "there is no package"),
    ],
)
def test_every_lie_is_a_failure_of_the_checks(its: Means, tmp_path: Path, spoil: Callable[[Path], None], why: str) -> None:
    directory = brought(tmp_path)
    spoil(directory)
    entry = accept(its, take(its), directory)
    assert (entry.state, entry.failure) == ("failed", "checks")
    assert why in entry.reason


@pytest.mark.parametrize("waits", [True, False])
def test_a_trial_that_was_prepared_is_used_unless_it_was_lost(
    its: Means, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    merged: list[str] = []

    class Ready:
        """Stands for performing.Trial, which needs an environment."""

        def __init__(self) -> None:
            self.waits = waits

        def merge(self, result: Path, log: IO[bytes]) -> None:
            merged.append("prepared")

    def try_out(self: Performer, order: Order, additions: Path, result: Path, log: IO[bytes]) -> None:
        assert (order.key, additions.is_dir()) == (KEY, True)
        merged.append("new")

    monkeypatch.setattr(Performer, "try_out", try_out)
    trial = partial(accepting.merged, ready=cast(Trial, Ready()))
    entry = accepting.accept(its, take(its), brought(tmp_path), trial=trial)
    assert (entry.state, merged) == ("checked", ["prepared" if waits else "new"])
