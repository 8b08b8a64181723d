"""What is remembered comes back as it was, and damage is never taken for nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.errors import UsageError
from portage_ext.errors.trust import DamagedStateError
from portage_ext.trust.machine import Seen
from portage_ext.trust.memory import Memory, StateDirectory, checked_name

SEEN = Seen("r", "production", 7, 1, "d", "A" * 40, frozenset({"A" * 40, "B" * 40}), frozenset({"A" * 40}))


def test_memory_comes_back_and_everybody_can_read_it(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path, "lab")
    assert state.load() == Memory()
    for memory in (Memory(SEEN, 9, 8, "x"), Memory(None, 0, 8, "x")):
        state.save(memory)
        assert state.load() == memory
        assert state.memory_file.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 2}', '{"format": 1, "seen": 1, "expires": 0}'])
def test_damage_is_an_error(tmp_path: Path, text: str) -> None:
    state = StateDirectory(tmp_path, "lab")
    state.make_directory()
    state.memory_file.write_text(text)
    with pytest.raises(DamagedStateError):
        state.load()


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".hidden", "a\nb", "-x", "x" * 100])
def test_a_name_that_could_lead_elsewhere_is_none(name: str) -> None:
    with pytest.raises(UsageError):
        checked_name(name)
