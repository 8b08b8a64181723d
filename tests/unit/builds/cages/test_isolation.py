"""A build is begun only where it can be isolated; what is missing is named with what to do. A cage whose first process was
killed does not pass for a command that failed. A cage can be begun before it is known."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from portage_ext.builds.cages import inside, isolation
from portage_ext.builds.cages.cage import CAGE_FAILED, Bounds, Cage, Over
from portage_ext.errors.builds import IsolationError
from portage_ext.limits import MIB
from tests.system.builds.lab import CAN, REASON


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


@pytest.fixture
def cage(tmp_path: Path) -> Cage:
    (tmp_path / "scratch").mkdir()
    layers = (Over(("/",), "/"),)
    return Cage(
        layers, str(tmp_path / "scratch"), ("sh", "-c", "exit 3"), {"PATH": os.defpath}, Bounds(100 * MIB, 20, MIB, 60.0)
    )


@pytest.mark.skipif(not CAN, reason=REASON)
def test_the_status_is_that_of_the_command(cage: Cage) -> None:
    with tempfile.TemporaryFile() as log:
        assert isolation.run(cage, log).status == 3


@pytest.mark.skipif(not CAN, reason=REASON)
def test_a_first_process_that_was_killed_is_not_a_failed_command(cage: Cage) -> None:
    with tempfile.TemporaryFile() as log, isolation.started(cage) as running:
        unshare = running._process.pid
        children = Path(f"/proc/{unshare}/task/{unshare}/children")
        while not (found := children.read_text().split()):
            pass
        os.kill(int(found[0]), signal.SIGKILL)
        assert running.finish(log).status in (isolation.KILLED, CAGE_FAILED)


@pytest.mark.skipif(not CAN, reason=REASON)
def test_a_process_that_was_begun_before_becomes_the_cage(cage: Cage) -> None:
    with isolation.begun("test") as first:
        with tempfile.TemporaryFile() as log:
            assert isolation.run(cage, log, first=first).status == 3
        assert first.process.poll() is not None


@pytest.mark.skipif(not CAN, reason=REASON)
def test_a_process_that_was_begun_and_is_not_needed_ends() -> None:
    with isolation.begun("test") as first:
        assert first.process.poll() is None
    assert first.process.poll() is not None


@pytest.mark.skipif(not CAN, reason=REASON)
def test_the_command_is_in_the_control_group_with_its_limits(cage: Cage) -> None:
    with isolation._control_group() as group:
        if not group._paths:
            pytest.skip("this system lets us make no control group")
    words = ("sh", "-c", "cat /proc/self/cgroup; sleep 60 & sleep 60 & wait")
    with tempfile.TemporaryFile() as log:
        ended = isolation.run(cage._replace(command=words, bounds=Bounds(100 * MIB, 3, MIB, 9.0)), log)
    assert b"/portage-ext/cage-" in ended.said
    assert ended.bound == "processes"


def test_a_process_that_cannot_enter_its_control_group_is_told(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").touch()
    entering = inside._Entering([os.open(tmp_path / "cgroup.procs", os.O_RDONLY)])
    with pytest.raises(OSError, match="it cannot enter its control group"):
        entering.finish()
