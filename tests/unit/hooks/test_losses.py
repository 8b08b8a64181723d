"""Who needs what is told from whole contracts."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.hooks.losses import _contract, _recorded
from portage_ext.hooks.phase import Phase
from portage_ext.limits import CONTRACT_SIZE
from tests.unit.elf import objects


def test_a_contract_that_is_too_long_is_not_read_in_part(work: Path) -> None:
    path = work / "SYMBOL_CONTRACT"
    path.write_text("2 > x86_64" + " liba.so.1" * (CONTRACT_SIZE // 10))
    assert _recorded(path, "") is None


def test_what_a_package_brings_is_read_from_its_image_where_its_contract_cannot_be_read(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As if it were empty, every library of the version before would be called lost."""
    phase = Phase(work / "image", work, "", work, work / "build-info", "a/b-2", "a/b")
    (work / "image/usr/lib64").mkdir(parents=True)
    objects.library(work / "image/usr/lib64/libb.so.1", ["B_1"], soname="libb.so.1")
    (work / "build-info").mkdir()
    (work / "build-info/SYMBOL_CONTRACT").write_text("9 < x86_64 libb.so.1")
    assert list(_contract(phase).defines) == [("x86_64", "libb.so.1")]
    assert "skipping " in capsys.readouterr().err
