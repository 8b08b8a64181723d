"""A cage whose first process was killed does not pass for a command that failed. A cage can be begun before it is known."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest

from portage_ext.builds.cages import isolation
from portage_ext.builds.cages.cage import CAGE_FAILED, Bounds, Cage, Over
from portage_ext.limits import MIB
from tests.system.builds.lab import CAN, REASON

pytestmark = pytest.mark.skipif(not CAN, reason=REASON)


@pytest.fixture
def cage(tmp_path: Path) -> Cage:
    (tmp_path / "scratch").mkdir()
    layers = (Over(("/",), "/"),)
    return Cage(
        layers, str(tmp_path / "scratch"), ("sh", "-c", "exit 3"), {"PATH": os.defpath}, Bounds(100 * MIB, 20, MIB, 60.0)
    )


def test_the_status_is_that_of_the_command(cage: Cage) -> None:
    with tempfile.TemporaryFile() as log:
        assert isolation.run(cage, log).status == 3


def test_a_first_process_that_was_killed_is_not_a_failed_command(cage: Cage) -> None:
    with tempfile.TemporaryFile() as log, isolation.started(cage) as running:
        unshare = running._process.pid
        children = Path(f"/proc/{unshare}/task/{unshare}/children")
        while not (found := children.read_text().split()):
            pass
        os.kill(int(found[0]), signal.SIGKILL)
        assert running.finish(log).status in (isolation.KILLED, CAGE_FAILED)


def test_a_process_that_was_begun_before_becomes_the_cage(cage: Cage) -> None:
    with isolation.begun("test") as first:
        with tempfile.TemporaryFile() as log:
            assert isolation.run(cage, log, first=first).status == 3
        assert first.process.poll() is not None


def test_a_process_that_was_begun_and_is_not_needed_ends() -> None:
    with isolation.begun("test") as first:
        assert first.process.poll() is None
    assert first.process.poll() is not None


def test_the_command_is_in_the_control_group_with_its_limits(cage: Cage) -> None:
    with isolation._control_group() as group:
        if not group._paths:
            pytest.skip("this system lets us make no control group")
    words = ("sh", "-c", "cat /proc/self/cgroup; sleep 60 & sleep 60 & wait")
    with tempfile.TemporaryFile() as log:
        ended = isolation.run(cage._replace(command=words, bounds=Bounds(100 * MIB, 3, MIB, 9.0)), log)
    assert b"/portage-ext/cage-" in ended.said
    assert ended.bound == "processes"
