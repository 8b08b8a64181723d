"""The trial installation of a build is prepared beside it, used when the build has ended, and gone afterwards."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from portage_ext.builds.local import Local, _Build
from portage_ext.builds.means import Means, means
from portage_ext.builds.orders import Addition, Order, Report
from portage_ext.builds.performing import Performer
from portage_ext.errors.builds import BlockedError
from portage_ext.tasks.site import Site
from tests.testkit.binpkgs import gpkg, metadata, put
from tests.unit.builds.examples import job

KEY = "ab" * 32
PACKAGE = metadata("app-misc/thing-1.0", IUSE="+foo bar", USE="foo amd64", CFLAGS="-O2 -march=x86-64-v2", CXXFLAGS="")
ADDITION = Addition("dev-libs/libtiny-1", 1, "c" * 128)


@dataclass
class Trial:
    """Stands for performing.Trial, which needs an environment."""

    merged: list[str] = field(default_factory=list)
    waits: bool = False
    made: int = 0

    def merge(self, result: Path, log: IO[bytes]) -> None:
        self.merged.append(result.name)

    @contextmanager
    def begun(self, performer: Performer, order: Order, additions: Path, log: IO[bytes]) -> Iterator[Trial]:
        self.waits, self.made = True, self.made + 1
        yield self
        self.waits = False


@pytest.fixture
def its(tmp_path: Path) -> Iterator[Means]:
    with means(Site.read(tmp_path)) as made:
        made.ledger.request(KEY, "laptop", job())
        yield made


def prepared(
    its: Means, monkeypatch: pytest.MonkeyPatch, trial: Callable[..., Any], *additions: Addition
) -> tuple[Local, _Build]:
    """A local engine with a build that has just ended well, for which it has prepared a trial."""
    monkeypatch.setattr(Performer, "trial", lambda *given: trial(*given))
    attempt = its.ledger.take("here", its.places.log)
    assert attempt is not None
    directory = its.places.scratch / "build"
    put(directory / "out/packages", "app-misc/thing/thing-1.0-1.gpkg.tar", gpkg(PACKAGE))
    (directory / "out/report.json").write_bytes(Report().emit())
    order = Order(KEY, attempt.fence, "laptop", job(), additions)
    process = subprocess.Popen(["true"])
    process.wait()
    build = _Build(attempt, order, process, directory, ExitStack(), 0.0)
    local = Local(its, [build])
    local._prepare(build)
    return local, build


def test_a_prepared_trial_is_used_and_ends_with_the_build(its: Means, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = Trial()
    local, build = prepared(its, monkeypatch, trial.begun)
    assert trial.waits
    assert local._end(build).state == "checked"
    assert (trial.merged, trial.waits, trial.made) == (["thing-1.0-1.gpkg.tar"], False, 1)


def unprepared(*given: object) -> AbstractContextManager[Trial]:
    raise BlockedError("laptop", "differs", "capture it")


def test_a_trial_that_cannot_be_prepared_is_made_when_the_build_has_ended(its: Means, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    monkeypatch.setattr(Performer, "try_out", lambda self, order, additions, result, log: tried.append(result.name))
    local, build = prepared(its, monkeypatch, unprepared)
    assert build.trial is None
    assert local._end(build).state == "checked"
    assert tried == ["thing-1.0-1.gpkg.tar"]


def test_a_build_whose_layer_may_still_be_made_has_none(its: Means, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = Trial()
    _, build = prepared(its, monkeypatch, trial.begun, ADDITION)
    assert (build.trial, trial.waits) == (None, False)
