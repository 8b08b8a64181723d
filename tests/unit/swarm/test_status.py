"""What the coordinator writes down is read again, and an old one is not counted on."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from portage_ext.errors.swarm import SwarmError
from portage_ext.swarm import status
from portage_ext.swarm.labels import Labels
from portage_ext.swarm.scheduling import Machine
from portage_ext.swarm.status import Running, Seen, Status

LABELS = Labels("x86_64", "A CPU", frozenset({"avx2"}), 3, 8, 2**34, 2**38, 0.5, {"laptop": "ab" * 32})


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    seen = (Seen.of(Machine("b1", LABELS, ("k1",)), "home"), Seen.of(Machine("b2", None, closed="it is not connected"), ""))
    wrote = Status(int(time.time()), os.getpid(), seen, (Running("k1", "b1", 5, 60.0),), 0.01)
    wrote.write(tmp_path)
    assert status.read(tmp_path) == wrote
    assert wrote.is_alive
    assert not replace(wrote, time=5).is_alive
    assert not replace(wrote, pid=2**22 + 1).is_alive


def test_none_and_a_damaged_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(SwarmError, match="no coordinator has run here"):
        status.read(tmp_path)
    (tmp_path / status.NAME).write_text("{}")
    with pytest.raises(SwarmError, match="cannot be read"):
        status.read(tmp_path)
