"""An order and a report come back as they were; what is none is refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from portage_ext.builds import orders
from portage_ext.builds.orders import Addition, Order, Report
from portage_ext.errors.builds import JobError
from tests.unit.builds.examples import job

ORDER = Order("ab" * 32, 3, "laptop", job(), (Addition("dev-libs/libtiny-2", 1, "c" * 128),))


def test_an_order_comes_back() -> None:
    assert orders.parse(ORDER.emit(), "here") == ORDER


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"format": "x"}, "format is not"),
        ({"key": "../../etc"}, "no key"),
        ({"target": "../laptop"}, "no target"),
        ({"fence": 0}, "no fence"),
        ({"fence": True}, "no fence"),
        ({"job": {}}, "other keys"),
        ({"additions": {}}, "no list of additions"),
        ({"additions": [{"cpv": "dev-libs/libtiny-2", "build": 1, "blake2b": "../x"}]}, "no digest"),
        ({"additions": [{"cpv": "dev-libs/libtiny-2", "build": "1", "blake2b": "c" * 128}]}, "no build id"),
        ({"additions": [{"cpv": "dev-libs/libtiny-2"}]}, "other keys"),
        ({"additions": [{"cpv": "../x", "build": 1, "blake2b": "c" * 128}]}, "x"),
    ],
)
def test_what_is_no_order_is_refused(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(JobError, match=why):
        orders.parse(json.dumps(json.loads(ORDER.emit()) | changed).encode(), "here")


def test_a_report_comes_back_as_one_line() -> None:
    said = Report("package", "its build failed", 1.5)
    assert orders.report(said.emit(), "here") == said
    assert orders.report(Report("package", "a\n\x1b[31m b", 1.0).emit(), "here").reason == "a \x1b[31m b"


@pytest.mark.parametrize(
    "changed",
    [{"format": "x"}, {"failure": "nobody"}, {"reason": 1}, {"reason": "x" * 70_000}, {"seconds": -1}, {"seconds": "1"}],
)
def test_what_is_no_report_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(JobError):
        orders.report(json.dumps(json.loads(Report().emit()) | changed).encode(), "here")


@pytest.mark.parametrize("data", [b"", b"[" * 100_000, b"[]"])
def test_what_is_no_document_is_refused(data: bytes) -> None:
    for read in (orders.parse, orders.report):
        with pytest.raises(JobError):
            read(data, "here")
