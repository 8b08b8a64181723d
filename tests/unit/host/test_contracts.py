"""What the vdb records of a package is taken whole or not at all."""

from __future__ import annotations

from pathlib import Path

from portage_ext.host.contracts import recorded
from portage_ext.limits import CONTRACT_SIZE


class Database:
    """As much of a vardbapi as is asked."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def getpath(self, cpv: str, filename: str) -> str:
        return str(self._path / filename)


def test_a_contract_that_is_too_long_is_not_read_in_part(work: Path) -> None:
    (work / "SYMBOL_CONTRACT").write_text("2 > x86_64" + " liba.so.1" * (CONTRACT_SIZE // 10))
    assert recorded(Database(work), "a/b-1", "") is None
