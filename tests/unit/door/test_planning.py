"""What is built must be what is wanted: else the client could not use it, and it is refused by name."""

from __future__ import annotations

import pytest

from portage_ext.asking.protocol import Wanted
from portage_ext.builds.key import Job
from portage_ext.door.planning import differs
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
