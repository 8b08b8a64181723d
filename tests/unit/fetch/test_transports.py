"""The table of transports: a scheme finds its module, and another package can bring a scheme."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

from portage_ext.errors.trust import UnsupportedUrlError
from portage_ext.fetch import transfer
from portage_ext.fetch.mirrors import Mirrors, Transports
from portage_ext.fetch.sinks import MemorySink
from portage_ext.fetch.transfer import TRANSPORTS, Patience, Transfer


class Foreign:
    """A transport as another package would bring it."""

    def run(self, transfer: Transfer, patience: Patience) -> None:
        transfer.take(b"from afar")

    def close(self) -> None: ...


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which schemes were asked for; another package brings ``carrier``."""
    asked: list[str] = []
    point = EntryPoint("carrier", f"{__name__}:Foreign", transfer.ENTRY_POINTS)
    # No package is installed for it: what importlib makes of an entry point's text is not ours.
    monkeypatch.setattr(EntryPoint, "load", lambda self: Foreign)

    def entry_points(**select: Any) -> EntryPoints:
        asked.append(select["name"])
        return EntryPoints((point,)).select(**select)

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    return asked


def test_every_scheme_of_the_table_has_a_transport_and_no_entry_point_is_asked(brought: list[str]) -> None:
    transports = Transports()
    made = {scheme: transports.transport(f"{scheme}://host/file") for scheme in TRANSPORTS}
    assert made["http"] is made["https"]
    transports.close()
    assert brought == []


def test_a_scheme_of_another_package(brought: list[str]) -> None:
    sink = MemorySink()
    assert Mirrors(("carrier://pigeon",), Transports()).fetch("file", 100, sink) == "carrier://pigeon"
    assert sink.data == b"from afar"
    assert brought == ["carrier"]


def test_a_scheme_that_nobody_brings(brought: list[str]) -> None:
    with pytest.raises(UnsupportedUrlError, match="rsync is no way to fetch and verify"):
        Transports().transport("rsync://host/file")
    assert brought == ["rsync"]
