"""Pins, as far as they need no keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.tasks import pinning
from portage_ext.tasks.site import Site
from portage_ext.trust.machine import Seen
from portage_ext.trust.memory import Memory, StateDirectory

A = "A" * 40
SEEN = Seen("repo", "production", 7, 1, "d" * 128, A, frozenset({A}), frozenset({A}))


@pytest.mark.parametrize("damaged", [False, True])
def test_what_is_forgotten_does_not_stay_as_portages_copy_of_the_index(tmp_path: Path, damaged: bool) -> None:
    state = StateDirectory(tmp_path, "lab")
    state.save(Memory(SEEN, 9, 1_900_000_000, "e" * 128))
    if damaged:
        state.memory_file.write_text("damaged")
    # Stamped later than all that the binhost will publish for some time, as who had its key may have done.
    copy = tmp_path / "var/cache/edb/binhost/packages.example/production/Packages"
    copy.parent.mkdir(parents=True)
    copy.write_text("TIMESTAMP: 1900000000\n\n")
    pinning.forget(Site.read(tmp_path), "lab")
    assert not copy.exists()
    assert state.load().timestamp == 0
