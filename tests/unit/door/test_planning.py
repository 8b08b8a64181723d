"""What is built must be what is wanted: else the client could not use it, and it is refused by name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portage_ext.asking.protocol import Wanted
from portage_ext.builds.key import Job
from portage_ext.builds.workshop import Plan
from portage_ext.builds.workshop import Wanted as Planned
from portage_ext.door.planning import differs, owners
from portage_ext.door.requests import Request

JOB = Job("app-misc/note-1", {"slot": "0/1"}, {"foo": "on", "bar": "off"}, {}, {}, {}, {})


def request(slot: str = "0/1", **use: str) -> Request:
    return Request(1, "laptop", JOB.cpv, Wanted(JOB.cpv, slot, "tiny", use), "accepted", "", "", "")


@pytest.mark.parametrize(
    ("wanted", "job", "why"),
    [
        (request(foo="on", bar="off"), JOB, ""),
        (request("0", foo="on", bar="off"), JOB, ""),
        (request(foo="on", bar="off"), None, "would not build app-misc/note-1"),
        (request("0/2", foo="on", bar="off"), JOB, "has it in slot 0/1, and you in 0/2"),
        (request(foo="off", bar="off"), JOB, "other USE flags (foo is on there and off here)"),
        (request(foo="on", bar="off", new="on"), JOB, "new is absent there and on here"),
    ],
)
def test_differences_are_named(wanted: Request, job: Job | None, why: str) -> None:
    said = differs(wanted, job)
    assert (why in said) if why else said == ""


def test_a_job_counts_for_the_client_whose_package_it_is_or_else_for_the_first_that_needs_it() -> None:
    def wanted(name: str, *needs: str) -> Planned:
        return Planned(replace(JOB, cpv=f"app-misc/{name}-1"), name, needs, None)

    plan = Plan((wanted("base"), wanted("common", "base"), wanted("one", "base", "common"), wanted("two", "base", "common")))

    def asks(name: str, client: str) -> tuple[Request, str, int]:
        return replace(request(), cpv=f"app-misc/{name}-1"), client, 0

    found = owners(plan, [asks("one", "laptop"), asks("two", "desktop"), asks("common", "desktop")])
    assert found == {"one": "laptop", "two": "desktop", "common": "desktop", "base": "laptop"}
