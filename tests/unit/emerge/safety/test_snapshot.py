"""Whatever breaks while a snapshot is made, the policy says whether emerge goes on, and one line says why."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from portage_ext.config.snapshotting import REFUSE, Snapshotting
from portage_ext.emerge.safety import snapshot


@pytest.mark.parametrize("policy", ["warn", REFUSE])
def test_a_defect_of_ours_ends_as_a_snapshot_that_cannot_be_made(capsys: pytest.CaptureFixture[str], policy: str) -> None:
    # What the snapshot is made of is missing: no real Scheduler is like that.
    scheduler = SimpleNamespace(_mergelist=[SimpleNamespace(cpv="app-misc/note-1", operation="merge")])
    assert snapshot._taken(Snapshotting(policy=policy), scheduler) is (policy == "warn")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("portage-ext: no snapshot could be made")
    assert "AttributeError: " in line
