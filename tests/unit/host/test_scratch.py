"""The emerge of a gate leaves no work for after it: that would wait for the lock of the run that publishes."""

from __future__ import annotations

import shutil
from pathlib import Path

import portage
import pytest

from portage_ext.host import scratch
from portage_ext.unattended import marks


def test_the_emerge_of_a_gate_starts_no_work_after_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Portage's settings are those of a system, which unit tests do not have; only EPREFIX is asked.
    monkeypatch.setattr(portage, "settings", {"EPREFIX": ""})
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    with scratch._scratch("install", scratch.Chosen.of(tmp_path, b"", ())) as made:
        assert made.environment[marks.LATER] == "later"
