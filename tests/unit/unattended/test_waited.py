"""Since when packages wait is kept in one file; a damaged file only forgets times."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.unattended import waited
from portage_ext.unattended.waited import Waited


def test_what_waits_is_found_again_and_an_empty_list_leaves_no_file(tmp_path: Path) -> None:
    waited.save(tmp_path, {})
    assert list(tmp_path.iterdir()) == []
    some = {"dev-libs/a:0": Waited("dev-libs/a-2", 1700000000)}
    waited.save(tmp_path, some)
    assert waited.load(tmp_path) == some
    waited.save(tmp_path, {})
    assert waited.load(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}', '{"a": {"cpv": "a/b-1", "since": "x"}}', "[" * 5000])
def test_a_damaged_file_holds_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / waited.STATE
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert waited.load(tmp_path) == {}
