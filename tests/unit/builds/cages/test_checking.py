"""A difference between environment and target is found whatever else goes on, and is the reason when something else fails.

The capture is a stand-in here, because units have no Portage; tests/system/builds has real ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from portage_ext.builds.cages.checking import _compare, checking
from portage_ext.errors.builds import BlockedError, CaptureError, JobError
from portage_ext.targets import reach
from portage_ext.targets.capture import Target
from tests.unit.targets.examples import target

TARGET = replace(target(), source="prefix:/nowhere")


@dataclass
class Captured:
    found: Target | CaptureError
    asked: int = 0

    def target(self) -> Target:
        self.asked += 1
        if isinstance(self.found, CaptureError):
            raise self.found
        return self.found


def captured(monkeypatch: pytest.MonkeyPatch, found: Target | CaptureError) -> Captured:
    capture = Captured(found)

    @contextmanager
    def begun(place: Path) -> Iterator[Captured]:
        assert place == Path("/nowhere")
        yield capture

    monkeypatch.setattr(reach, "prefix", begun)
    return capture


def test_one_that_is_equal_passes_and_is_captured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    capture = captured(monkeypatch, replace(TARGET, taken=7))
    with checking("v2", TARGET) as (place, check):
        assert (place.top, capture.asked) == (Path("/nowhere"), 0)
        check()
        check()
    assert capture.asked == 1


DIFFERS = replace(TARGET, make_conf={**TARGET.make_conf, "CFLAGS": "-O9"})


def test_one_that_differs_is_blocked_each_time_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    capture = captured(monkeypatch, DIFFERS)
    with checking("v2", TARGET) as (_, check):
        for _ in range(2):
            with pytest.raises(BlockedError, match="CFLAGS"):
                check()
    assert capture.asked == 1


@pytest.mark.parametrize(
    ("source", "command"),
    [
        ("prefix:/nowhere", "capture v2 --prefix /nowhere"),
        ("chroot:/srv/x", "capture v2 --root /srv/x"),
        ("layers:/x", "copy v2"),
    ],
)
def test_the_command_that_takes_it_again_is_whole(source: str, command: str) -> None:
    with pytest.raises(BlockedError, match=f"run `portage-ext target {command}` again"):
        _compare("v2", replace(TARGET, source=source), DIFFERS)


@pytest.mark.parametrize("error", [JobError("v2", "it failed"), OSError("it failed")])
def test_what_fails_in_an_environment_that_differs_fails_by_that(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    captured(monkeypatch, DIFFERS)
    with pytest.raises(BlockedError, match="CFLAGS"), checking("v2", TARGET):
        raise error
    captured(monkeypatch, TARGET)
    with pytest.raises(type(error), match="it failed"), checking("v2", TARGET):
        raise error


def test_a_capture_that_fails_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    captured(monkeypatch, CaptureError("/nowhere", "no Portage"))
    with pytest.raises(CaptureError, match="no Portage"), checking("v2", TARGET) as (_, check):
        check()
