"""The lines that a client and a build service say to each other: the service's reader, and the client's."""

from __future__ import annotations

from portage_ext.asking import protocol
from portage_ext.asking.protocol import Standing, Wanted
from tests.system.fuzz.judging import Target

_WANTED = Wanted("app-misc/note-1.0-r1", "0/1", "tiny", {"foo": "on", "bar": "off"})
_STANDING = Standing("app-misc/note-1.0", "running", "why", 2, 12.5, 3, "note-1.0-1.gpkg.tar")


def _asked(data: bytes) -> object:
    values = protocol.parse(data)
    return [protocol.wanted(one) for one in values["packages"]] if isinstance(values.get("packages"), list) else None


def _answered(data: bytes) -> object:
    values = protocol.parse(data).get("ok")
    return protocol.standings(values) if isinstance(values, dict) else None


TARGETS = (
    Target(
        "ask-request",
        lambda: [protocol.emit({"id": 1, "do": "request", "target": "laptop", "packages": [protocol.plain(_WANTED)]})],
        _asked,
    ),
    Target(
        "ask-answer",
        lambda: [protocol.emit({"id": 1, "ok": {"packages": [protocol.plain(_STANDING)]}})],
        _answered,
        words=(b'"refused"', b'"published"', b"1e309"),
    ),
)
