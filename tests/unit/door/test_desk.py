"""A client gets what it may have and nothing else; whatever is refused is refused by name, and equal requests are one."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from portage_ext.asking import protocol
from portage_ext.asking.protocol import Wanted
from portage_ext.builds.key import Job
from portage_ext.builds.ledger.entries import Share
from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.config.asking import Client
from portage_ext.door.desk import Desk
from portage_ext.door.requests import PLANNED, Requests, weak_key
from portage_ext.door.talk import answered, talk
from portage_ext.targets.store import Store

NOTE = Wanted("app-misc/note-1", "0/0", "tiny", {"foo": "on"})
OTHER = Wanted("app-misc/other-1", "0/0", "tiny", {})
LAPTOP = Client("laptop", ("laptop",))


@dataclass
class Service:
    """A ledger below ``root`` with the targets laptop and desktop, and a clock that stands."""

    root: Path
    now: float = 1_700_000_000.0
    planned: list[str] = field(default_factory=list)
    ledger: Ledger = field(init=False)
    requests: Requests = field(init=False)

    def __post_init__(self) -> None:
        store = Store(self.root)
        store.directory.mkdir(parents=True)
        for name in ("laptop", "desktop"):
            (store.directory / name).symlink_to(f"{name}.d/1")
        path = self.root / "ledger.sqlite"
        self.ledger = Ledger(path, lambda: self.now)
        self.requests = Requests(path, lambda: self.now)

    def desk(self, client: Client = LAPTOP) -> Desk:
        return Desk(client, self.requests, self.ledger, Store(self.root), lambda: self.planned.append("now"))

    def do(self, what: str, client: Client = LAPTOP, **values: Any) -> dict[str, Any]:
        return answered(self.desk(client), protocol.emit({"id": 1, "do": what, "target": "laptop", **values}))

    def ask(self, *wanted: Wanted, client: Client = LAPTOP, **values: Any) -> dict[str, Any]:
        packages = [protocol.plain(one) for one in wanted]
        return self.do("request", client, packages=packages, hurry="person", **values)

    def plan(self, wanted: Wanted, target: str = "laptop") -> str:
        """What planning does: a job of the request; its key."""
        job = Job(wanted.cpv, {"slot": "0/0"}, wanted.use, {}, {}, {}, {})
        entry = self.ledger.request(job.key(), target, job)
        request = self.requests.find(target, wanted)
        assert request is not None
        with self.requests.change():
            self.requests.settle(request, PLANNED, key=entry.key, capture="laptop.d/1")
        return entry.key

    def built(self, wanted: Wanted, seconds: int = 10, size: int = 0) -> Path:
        """A published package of it."""
        key = self.plan(wanted)
        attempt = self.ledger.take("somebody", lambda key, fence: "log", [key])
        assert attempt is not None
        self.now += seconds
        self.ledger.end(attempt, "checked", result="somewhere")
        place = self.root / f"{wanted.cpv.replace('/', '_')}.gpkg.tar"
        place.write_bytes(b"x" * size)
        self.ledger.set_place(key, attempt.fence, str(place))
        assert self.ledger.publish(key, attempt.fence)
        return place


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    made.requests.close()
    made.ledger.close()


def states(answer: dict[str, Any]) -> dict[str, str]:
    return {one["cpv"]: one["state"] for one in answer["ok"]["packages"]}


def test_a_request_goes_from_accepted_to_published_and_is_then_answered_at_once(service: Service) -> None:
    assert states(service.ask(NOTE)) == {NOTE.cpv: "accepted"}
    assert service.planned == ["now"]
    service.plan(NOTE)
    assert states(service.ask(NOTE)) == {NOTE.cpv: "queued"}
    place = service.built(NOTE)
    (told,) = service.ask(NOTE)["ok"]["packages"]
    assert (told["state"], told["file"]) == ("published", place.name)
    assert service.planned == ["now"]
    # A package that somebody has removed is planned and built once more.
    place.unlink()
    assert states(service.ask(NOTE)) == {NOTE.cpv: "accepted"}


def test_what_was_built_for_another_target_is_published_when_its_copy_is(service: Service) -> None:
    twin = Client("twin", ("desktop",))
    service.ask(NOTE)
    service.built(NOTE)
    service.ask(NOTE, client=twin, target="desktop")
    key = service.plan(NOTE, "desktop")
    (told,) = service.do("state", twin, target="desktop", packages=[])["ok"]["packages"]
    assert (told["state"], told["reason"]) == ("checked", "was built for laptop, and is about to be copied")
    copy = service.root / "copy.gpkg.tar"
    copy.touch()
    service.ledger.set_share(Share(key, "desktop", str(copy), 1))
    (told,) = service.ask(NOTE, client=twin, target="desktop")["ok"]["packages"]
    assert (told["state"], told["file"]) == ("published", copy.name)
    # A copy that somebody has removed is made once more.
    copy.unlink()
    assert states(service.ask(NOTE, client=twin, target="desktop")) == {NOTE.cpv: "accepted"}


def test_equal_requests_of_two_clients_are_one_and_neither_sees_more_than_its_own(service: Service) -> None:
    desktop = Client("desktop", ("laptop", "desktop"))
    service.ask(NOTE)
    service.ask(NOTE, OTHER, client=desktop)
    service.ask(NOTE, client=desktop, target="desktop")
    assert len(service.requests.waiting()) == 3
    assert states(service.do("state", packages=[])) == {NOTE.cpv: "accepted"}
    assert states(service.do("state", desktop, packages=[])) == {NOTE.cpv: "accepted", OTHER.cpv: "accepted"}
    # One client withdraws, and the other still wants it.
    key = service.plan(NOTE)
    assert states(service.do("cancel", packages=[NOTE.cpv])) == {NOTE.cpv: "queued"}
    assert service.ledger.get(key).state == "queued"
    assert states(service.do("cancel", desktop, packages=[NOTE.cpv])) == {NOTE.cpv: "cancelled"}
    assert service.ledger.get(key).state == "cancelled"
    assert states(service.do("cancel", packages=[OTHER.cpv])) == {}
    assert weak_key("laptop", NOTE) != weak_key("desktop", NOTE)


REFUSALS: dict[str, Callable[[Service], dict[str, Any]]] = {
    "target": lambda service: service.ask(NOTE, target="desktop"),
    "unknown": lambda service: service.do("shell", packages=[]),
    "batch": lambda service: service.ask(NOTE, OTHER, client=replace(LAPTOP, batch=1)),
    "quota": lambda service: service.ask(NOTE, OTHER, client=replace(LAPTOP, queued=1)),
    "message": lambda service: service.do("request", packages=[{"cpv": "x"}], hurry="person"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_what_a_client_may_not_do_is_refused_as_a_whole(service: Service, kind: str) -> None:
    answer = REFUSALS[kind](service)
    assert answer["refused"] == kind
    assert "laptop" in answer["why"] or kind in ("unknown", "message")
    assert service.requests.waiting() == []


def test_a_target_that_nobody_has_captured(service: Service) -> None:
    answer = service.ask(NOTE, client=Client("laptop", ("gone",)), target="gone")
    assert (answer["refused"], "no target gone" in answer["why"]) == ("target", True)


def test_a_day_of_builds_and_bytes_is_bounded_and_over_after_a_day(service: Service) -> None:
    service.ask(NOTE)
    service.built(NOTE, seconds=7200, size=3000)
    slow, large = replace(LAPTOP, seconds=7200.0), replace(LAPTOP, size=3000)
    assert "builds for client laptop took 2 h within a day" in service.ask(OTHER, client=slow)["why"]
    assert "packages of 2.9 KiB were built for client laptop within a day" in service.ask(OTHER, client=large)["why"]
    # What exists costs nothing, and others have quotas of their own.
    assert states(service.ask(NOTE, client=slow)) == {NOTE.cpv: "published"}
    assert "ok" in service.ask(OTHER, client=Client("desktop", ("laptop",), seconds=7200.0))
    service.now += 86401
    assert "ok" in service.ask(OTHER, client=slow)
    assert "ok" in service.ask(OTHER, client=large)


def test_what_a_package_needs_counts_for_the_client_that_asked_for_the_package(service: Service) -> None:
    service.ask(OTHER)
    needed = Job("dev-libs/needed-1", {"slot": "0/0"}, {}, {}, {}, {}, {})
    service.ledger.request(needed.key(), "laptop", needed, client="laptop")
    usage = service.requests.usage("laptop")
    assert usage.queued == 2
    assert service.requests.at_work("laptop") == 1
    attempt = service.ledger.take("somebody", lambda key, fence: "log", [needed.key()])
    assert attempt is not None
    service.now += 7200
    service.ledger.end(attempt, "checked", result="somewhere")
    slow = replace(LAPTOP, seconds=7200.0)
    assert "builds for client laptop took 2 h within a day" in service.ask(NOTE, client=slow)["why"]
    assert service.requests.usage("desktop").seconds == 0


def test_too_many_requests_in_a_minute(service: Service) -> None:
    client = replace(LAPTOP, requests=3.0)
    assert ["refused" in service.ask(NOTE, client=client) for _ in range(4)] == [False, False, False, True]
    service.now += 20
    assert ["refused" in service.ask(NOTE, client=client) for _ in range(2)] == [False, True]


def test_a_failure_is_remembered_until_the_target_is_captured_again(service: Service) -> None:
    service.ask(NOTE)
    key = service.plan(NOTE)
    attempt = service.ledger.take("somebody", lambda key, fence: "log", [key])
    assert attempt is not None
    service.ledger.end(attempt, "failed", failure="package", reason="its build failed")
    assert states(service.ask(NOTE)) == {NOTE.cpv: "failed"}
    link = Store(service.root).directory / "laptop"
    link.unlink()
    os.symlink("laptop.d/2", link)
    assert states(service.ask(NOTE)) == {NOTE.cpv: "accepted"}


def test_every_line_is_answered_and_one_that_is_cut_off_ends_the_talk(service: Service) -> None:
    out = io.BytesIO()
    lines = protocol.emit({"id": 1, "do": "hello"}) + b"nonsense\n" + protocol.emit({"id": 2, "do": "hello"}) + b'{"format"'
    talk(service.desk(), io.BytesIO(lines), out)
    answers = [protocol.parse(line) for line in out.getvalue().splitlines()]
    assert [(one["id"], "ok" in one) for one in answers] == [(1, True), (0, False), (2, True)]
    assert answers[0]["ok"]["targets"] == ["laptop"]
