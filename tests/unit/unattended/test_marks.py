"""A mark is free when its run has ended, however it ended, and only then; one worker at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from portage_ext.unattended import marks
from portage_ext.unattended.marks import HeldMark
from tests.testkit.environments import CHECKOUT

RUN = (
    "import sys, time, os; from pathlib import Path; from portage_ext.unattended.marks import HeldMark\n"
    "mark = HeldMark(Path(sys.argv[1]), Path('/binpkgs of\\n \\udcff'))\n"
    "child = os.fork()\n"
    "if child: print(child, flush=True)\n"
    "time.sleep(600)\n"
)


def pkgdirs(root: Path) -> list[str]:
    return [str(mark.pkgdir) for mark in marks.free(root)]


def test_a_mark_is_free_when_its_run_was_killed_though_its_children_live(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path)], cwd=CHECKOUT, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        child = int(run.stdout.readline())
        try:
            assert pkgdirs(tmp_path) == []
            run.kill()
            run.wait()
            assert pkgdirs(tmp_path) == ["/binpkgs of\n \udcff"]
        finally:
            os.kill(child, signal.SIGKILL)
    marks.remove(marks.free(tmp_path))
    assert pkgdirs(tmp_path) == []


def test_a_released_mark_is_free_and_is_removed_alone(tmp_path: Path) -> None:
    assert pkgdirs(tmp_path) == []
    HeldMark(tmp_path, Path("/a")).release()
    taken = marks.free(tmp_path)
    HeldMark(tmp_path, Path("/b")).release()
    marks.remove(taken)
    assert pkgdirs(tmp_path) == ["/b"]


def test_a_mark_that_never_got_its_name_is_cleared_away_after_a_while(tmp_path: Path) -> None:
    HeldMark(tmp_path, Path("/a")).release()
    half = tmp_path / marks.MARKS_DIRECTORY / ".portage-ext.half"
    half.touch()
    assert pkgdirs(tmp_path) == ["/a"]
    assert half.exists()
    os.utime(half, (0, 0))
    assert pkgdirs(tmp_path) == ["/a"]
    assert not half.exists()


def test_a_second_worker_waits_and_then_leaves(tmp_path: Path) -> None:
    with marks.working(tmp_path, 0) as first:
        assert first
        started = time.monotonic()
        with marks.working(tmp_path, 0.3) as second:
            assert not second
        assert time.monotonic() - started >= 0.3
    with marks.working(tmp_path, 0) as third:
        assert third
