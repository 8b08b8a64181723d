"""Which emerges run: by files of living processes alone, ours before Portage's, and nothing that hangs or is too large."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from portage_ext.errors.watching import WatchFileError
from portage_ext.graph import record
from portage_ext.graph.plan import Kind, Moment, Node, Plan, Running
from portage_ext.limits import views as limits
from portage_ext.watch.sources import Emerge, Watched

PLAN = Plan((Node("dev-libs/a-1", Kind.BINARY), Node("dev-libs/b-1")), ((), (0,)))
MOMENT = Moment(5.0, (Running(1, "compile", 3.0, "/log"),), frozenset({0}))


def write(directory: Path, pid: int, start: int | None = None, word: str = "list-1", plan_word: str = "list-1") -> None:
    began = start if start is not None else record.began(pid) or 0
    record.plan_path(directory, pid).write_bytes(record.plan_text(PLAN, pid, began, plan_word))
    record.state_path(directory, pid).write_bytes(record.state_text(MOMENT, pid, began, word))


@pytest.fixture
def other() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        yield process.pid


def test_a_running_emerge_is_found_with_its_plan(tmp_path: Path, other: int) -> None:
    write(tmp_path, os.getpid())
    write(tmp_path, other)
    found = Watched(tmp_path).running()
    assert sorted(one.pid for one in found) == sorted((os.getpid(), other))
    assert found[0].plan == PLAN
    assert found[0].moment == MOMENT


def test_what_a_dead_emerge_or_another_with_its_number_has_left_is_none(tmp_path: Path) -> None:
    write(tmp_path, 2**22 - 1, start=5)
    write(tmp_path, os.getpid(), start=5)
    assert Watched(tmp_path).running() == []
    assert Watched(tmp_path / "nowhere").running() == []


def test_a_state_of_the_next_list_is_not_read_with_the_plan_before(tmp_path: Path) -> None:
    write(tmp_path, os.getpid(), word="list-2")
    assert Watched(tmp_path).running() == []


def test_what_only_portage_says_has_counts_and_what_runs(tmp_path: Path) -> None:
    task = {"cpv": "dev-libs/a-1", "binary": False, "phase": None, "kind": "build", "start_time": 4.0}
    jobs = {"total": 9, "completed": 3, "failed": 1, "max": True}
    snapshot = {"type": "snapshot", "emerge_pid": os.getpid(), "timestamp": 9.0, "jobs": jobs, "tasks": [task]}
    path = tmp_path / f"emerge-{os.getpid()}.json"
    path.write_text(json.dumps(snapshot))
    (found,) = Watched(tmp_path).running()
    assert found.moment == Moment(9.0, (Running(0, "build", 4.0),), jobs=0, counts=(9, 3, 1))
    path.write_text(json.dumps(snapshot | {"type": "something new"}))
    assert Watched(tmp_path).running() == []
    path.write_text(json.dumps(snapshot | {"tasks": [task | {"cpv": "a/b\033[2J"}]}))
    with pytest.raises(WatchFileError):
        Watched(tmp_path).running()
    write(tmp_path, os.getpid())
    assert [one.plan for one in Watched(tmp_path).running()] == [PLAN]


def test_a_pipe_a_link_and_a_file_that_is_too_large_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = record.state_path(tmp_path, os.getpid())
    os.mkfifo(path)
    with pytest.raises(WatchFileError):
        Watched(tmp_path).running()
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic"):
        Watched(tmp_path).running()
    path.unlink()
    write(tmp_path, os.getpid())
    monkeypatch.setattr(limits, "WATCHED_STATE", 20)
    with pytest.raises(WatchFileError):
        Watched(tmp_path).running()


def test_what_others_tell_comes_after_the_emerges(tmp_path: Path, other: int) -> None:
    write(tmp_path, other)
    built = Emerge(0, PLAN, MOMENT, "laptop")
    found = Watched(tmp_path, lambda: [built]).running()
    assert [one.title for one in found] == [f"emerge[{other}]", "builds for laptop"]
