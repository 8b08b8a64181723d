"""What a made repository says of itself comes back as it was written, and damage is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portage_ext.errors.repositories import RepositoryError
from portage_ext.repositories import record
from portage_ext.repositories.record import Item, Kind, Record, Remark

RECORD = Record(
    "pick",
    "https://example.invalid/guru.git",
    (Item("app-misc/keyd", True), Item("acct-group/keyd", False, ("app-misc/keyd",))),
    (Remark(Kind.MISSING, "dev-libs/none", "app-misc/keyd needs it"),),
    {"overlay": "guru"},
)


def written(location: Path, data: bytes) -> Path:
    path = location / record.RECORD
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return location


def test_a_record_comes_back_sorted(tmp_path: Path) -> None:
    found = record.load(written(tmp_path, RECORD.data()))
    assert found is not None
    assert found.items == tuple(sorted(RECORD.items))
    assert (found.remarks, found.facts, found.source) == (RECORD.remarks, RECORD.facts, RECORD.source)
    assert found.data() == RECORD.data()


def test_no_record_is_no_error(tmp_path: Path) -> None:
    assert record.load(tmp_path) is None
    assert not record.is_made(tmp_path)


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, json.dumps({"format": 2}).encode(),
     RECORD.data().replace(b'"missing"', b'"what"')],
    ids=["empty", "list", "nothing", "no text", "deep", "format", "kind"],
)  # fmt: skip
def test_a_damaged_record_is_named(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(RepositoryError, match="sync again"):
        record.load(written(tmp_path, data))
