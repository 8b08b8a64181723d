"""Following ends when all is done, at the deadline, or when the service stays away; a lost connection is made again."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, cast

import pytest

from portage_ext.asking.following import follow
from portage_ext.asking.protocol import Standing
from portage_ext.asking.service import Service
from portage_ext.config.asking import Asking
from portage_ext.errors.asking import ServiceError
from portage_ext.limits import builds as limits

ASKING = Asking("ssh://far", "laptop", "laptop", "far")
LOST = ServiceError("ssh://far", "is gone")


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def __call__(self) -> float:
        return self.now


class Far:
    """A service that gives these answers, one after the other, the last for ever; an error is raised."""

    def __init__(self, *answers: str | ServiceError) -> None:
        self._answers = list(answers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def state(self, cpvs: Sequence[str], patience: float) -> list[Standing]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, ServiceError):
            raise answer
        return [Standing(cpv, answer) for cpv in cpvs]


def followed(far: Far, deadline: float = 1000.0) -> tuple[list[str], list[str], float]:
    """The states at the end, those that were told, and how long it took."""
    clock, told = Clock(), list[str]()

    def tell(found: Sequence[Standing]) -> None:
        told.extend(one.state for one in found)

    connect: Any = lambda asking: cast(Service, far)  # noqa: E731
    end = follow(
        ASKING, [Standing("app-misc/a-1", "accepted")], tell, deadline=deadline, connect=connect, sleep=clock.sleep, clock=clock
    )
    return [one.state for one in end], told, clock.now


def test_it_ends_when_all_has_ended() -> None:
    assert followed(Far("queued", "running", "published")) == (["published"], ["queued", "running", "published"], 2.0)


def test_it_ends_at_the_deadline_with_what_is_known() -> None:
    end, _, seconds = followed(Far("queued"), 5.5)
    assert (end, seconds) == (["queued"], 5.5)


def test_a_lost_connection_is_made_again_and_a_service_that_stays_away_is_an_error() -> None:
    assert followed(Far("queued", LOST, LOST, "failed"))[0] == ["failed"]
    with pytest.raises(ServiceError):
        followed(Far("queued", LOST))


def test_a_service_that_is_lost_at_the_deadline_leaves_what_is_known() -> None:
    assert followed(Far(LOST), limits.ASK_AGAIN / 10) == (["accepted"], [], limits.ASK_AGAIN / 10)
    assert followed(Far("running", LOST), 2.5) == (["running"], ["running"], 2.5)
