"""What a person sees of jobs while they are worked."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from portage_ext.builds.means import means
from portage_ext.cli import live
from portage_ext.cli.screen import Screen
from portage_ext.limits import builds as limits
from portage_ext.tasks.site import Site
from tests.unit.builds.examples import job

KEY = "a" * 64


class Lines(Screen):
    """Keeps what is said, and tells when a line was said."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.more = threading.Condition()

    def line(self, text: str = "", colour: str = "") -> None:
        with self.more:
            self.said.append(text)
            self.more.notify()

    def wait(self, count: int) -> None:
        with self.more:
            assert self.more.wait_for(lambda: len(self.said) >= count, timeout=60)


def test_a_job_that_is_queued_again_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BUILD_LOOK", 0.01)
    (tmp_path / "etc/portage").mkdir(parents=True)
    (tmp_path / "etc/portage/portage-ext.toml").write_text("")
    screen = Lines()
    with means(Site.read(tmp_path)) as its:
        its.ledger.request(KEY, "laptop", job(cpv="app-misc/thing-1.0"))
        with live.followed(its, [KEY], screen, logs=False):
            attempt = its.ledger.take("r", its.places.log)
            assert attempt is not None
            screen.wait(1)
            its.ledger.vote(attempt, "/result", "queued", reason="another group must build the same")
            screen.wait(2)
    assert screen.said == ["builds app-misc/thing-1.0", "app-misc/thing-1.0 is queued again: another group must build the same"]
