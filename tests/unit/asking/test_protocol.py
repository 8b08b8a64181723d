"""A line of the protocol is what it must be, or refused with the reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from portage_ext.asking import protocol
from portage_ext.asking.protocol import Standing, Wanted
from portage_ext.errors.asking import MessageError
from portage_ext.limits import builds as limits

WANTED = Wanted("app-misc/note-1.0", "0/1", "tiny", {"bar": "off", "foo": "on"})
STANDING = Standing("app-misc/note-1.0", "running", "", 2, 12.5, 3)


def test_what_one_side_writes_the_other_reads() -> None:
    values = protocol.parse(protocol.emit({"id": 7, "do": "request", "packages": [protocol.plain(WANTED)]}))
    assert (values["id"], values["do"]) == (7, "request")
    assert protocol.wanted(values["packages"][0]) == WANTED
    assert protocol.standings({"packages": [json.loads(json.dumps(protocol.plain(STANDING)))]}) == [STANDING]
    assert protocol.emit({"id": 1}).count(b"\n") == 1


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"[" * 100_000, "not JSON"),
        (b'{"format": "portage-ext-ask-9", "id": 1}', "its format is portage-ext-ask-9, and this side speaks"),
        (b'{"format": "portage-ext-ask-1", "id": true}', "no number"),
        (b'{"format": "portage-ext-ask-1"}' + b" " * limits.ASK_LINE, "longer than"),
    ],
)
def test_another_line_is_refused(line: bytes, why: str) -> None:
    with pytest.raises(MessageError, match=why):
        protocol.parse(line)


@pytest.mark.parametrize(
    "change",
    [
        {"cpv": "app-misc/note"},
        {"cpv": "../../etc/passwd-1"},
        {"slot": "0 1"},
        {"slot": None},
        {"repository": "-x"},
        {"use": {"foo": "maybe"}},
        {"use": {"f oo": "on"}},
        {"use": {f"f{number}": "on" for number in range(limits.ASK_BATCH + 1)}},
        {"cflags": "-O9"},
    ],
)
def test_a_package_has_these_values_and_no_other(change: dict[str, Any]) -> None:
    with pytest.raises(MessageError):
        protocol.wanted({**protocol.plain(WANTED), **change})


@pytest.mark.parametrize("change", [{"state": "built"}, {"ahead": -1}, {"seconds": "long"}, {"runs": True}, {"cpv": ""}])
def test_a_service_says_where_a_package_stands_or_nothing(change: dict[str, Any]) -> None:
    with pytest.raises(MessageError):
        protocol.standing({**protocol.plain(STANDING), **change})


def test_what_a_service_says_is_harmless_to_show() -> None:
    said = protocol.standing({**protocol.plain(STANDING), "reason": "\x1b[2J" + "x" * 10_000})
    assert "\x1b" not in said.reason
    assert len(said.reason) < 2 * limits.ASK_REASON
