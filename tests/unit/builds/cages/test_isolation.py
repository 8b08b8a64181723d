"""A build is begun only where it can be isolated; what is missing is named with what to do."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from portage_ext.builds.cages import inside, isolation
from portage_ext.errors.builds import IsolationError


@pytest.mark.parametrize(
    ("user", "capable", "program", "why"),
    [
        (1000, True, "/bin/x", "run this command as root"),
        (0, False, "/bin/x", "this root has no CAP_SYS_ADMIN"),
        (0, True, None, "it needs unshare, pivot_root, setpriv (sys-apps/util-linux)"),
    ],
)
def test_what_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, user: int, capable: bool, program: str | None, why: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(isolation, "_has_capability", lambda number: capable)
    monkeypatch.setattr(shutil, "which", lambda name: program)
    with pytest.raises(IsolationError) as refused:
        isolation.check()
    assert why in str(refused.value)


def test_a_host_that_has_all_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(isolation, "_has_capability", lambda number: True)
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/x")
    isolation.check()


def test_a_process_that_cannot_enter_its_control_group_is_told(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").touch()
    entering = inside._Entering([os.open(tmp_path / "cgroup.procs", os.O_RDONLY)])
    with pytest.raises(OSError, match="it cannot enter its control group"):
        entering.finish()
