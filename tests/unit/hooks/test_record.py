"""What is recorded of an image is what others will read."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.hooks import record
from portage_ext.hooks.phase import Phase
from tests.unit.elf.objects import library


@pytest.mark.parametrize("room", [True, False])
def test_a_contract_that_nobody_would_read_is_not_recorded(work: Path, room: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    library(work / "image/usr/lib64/libfoo.so.1", ["FOO_1"])
    (work / "build-info").mkdir()
    recorded = work / "build-info/SYMBOL_CONTRACT"
    recorded.write_text("of an earlier phase")
    if not room:
        monkeypatch.setattr(record, "CONTRACT_SIZE", 10, raising=False)
    record.record(Phase(work / "image", work, "", work, work / "build-info", "a/b-1", "a/b"))
    assert recorded.exists() is room
