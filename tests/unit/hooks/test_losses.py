"""Who needs what is told from whole contracts."""

from __future__ import annotations

from pathlib import Path

from portage_ext.hooks.losses import _recorded
from portage_ext.limits import CONTRACT_SIZE


def test_a_contract_that_is_too_long_is_not_read_in_part(work: Path) -> None:
    path = work / "SYMBOL_CONTRACT"
    path.write_text("2 > x86_64" + " liba.so.1" * (CONTRACT_SIZE // 10))
    assert not _recorded(path, "")
