"""Locks that a stranger cannot hold, and waits that end and are announced."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from portage_ext import limits, locks
from portage_ext.errors import LockError
from portage_ext.fetch.binrepo import locked
from portage_ext.releases.tree import Tree
from portage_ext.trust.memory import StateDirectory
from portage_ext.unattended import log, marks
from portage_ext.unattended.log import Run

STRANGER = 65534
RUN = Run(1_700_000_000, "after-emerge", True, "nothing new")
_STAY = "echo held; exec cat"
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")


@contextmanager
def holding(path: Path, uid: int | None = None, *, left: bool = False) -> Iterator[int]:
    """Another process that holds ``path``, which it can only read; ``left``: the one that took the lock has ended."""
    words = ["flock", str(path), "sh", "-c", _STAY]
    if left:
        words = ["sh", "-c", f'exec 9<"$0"; flock 9; {_STAY}', str(path)]
    pipe = subprocess.PIPE
    groups = None if uid is None else list[int]()
    with subprocess.Popen(
        words, stdin=pipe, stdout=pipe, text=True, cwd="/", user=uid, group=uid, extra_groups=groups
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid
        process.stdin.close()
        process.stdout.read()


@pytest.fixture
def place(work: Path) -> Path:
    """A directory that strangers can look into."""
    return work


class Clock:
    """A clock that only sleeping moves, and fast: nobody gives a lock back here while it is waited for."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += 10 * seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(locks, "time", clock)
    for name in ("FETCH_LOCK", "TREE_LOCK", "LOG_LOCK"):
        monkeypatch.setattr(limits, name, 5.0)
    return clock


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
def test_a_lock_file_is_for_its_owner_alone_whatever_the_umask(place: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with locks.held(place / "lock", 0):
            assert mode(place / "lock") == 0o600
    finally:
        os.umask(before)


def test_a_lock_keeps_others_out_and_is_free_afterwards(place: Path) -> None:
    with locks.held(place / "lock", 0):
        with locks.tried(place / "lock") as second:
            assert second is None
    with locks.tried(place / "lock") as third:
        assert third is not None


def test_a_wait_is_announced_once_and_ends_with_the_name_of_the_holder(place: Path) -> None:
    (place / "lock").touch(0o600)
    said: list[str] = []
    with holding(place / "lock") as pid, pytest.raises(LockError) as refused, locks.held(place / "lock", 5, said.append):
        pass
    assert len(said) == 1
    for line in (said[0], str(refused.value)):
        assert f"process {pid} (" in line
        assert str(place / "lock") in line
    assert "fuser" in str(refused.value)


def test_a_wait_that_does_not_last_is_not_announced(place: Path) -> None:
    said: list[str] = []
    with locks.held(place / "lock", 5, said.append):
        pass
    assert not said


@as_root
@pytest.mark.parametrize("left", [False, True], ids=["alive", "left"])
@pytest.mark.parametrize("bits", [0o644, 0o666, 0o640 | 0o004])
def test_a_stranger_who_holds_an_older_lock_file_is_passed_over(place: Path, bits: int, left: bool) -> None:
    """flock needs no right to write: whoever could open the file once holds it for ever."""
    (place / "lock").touch()
    (place / "lock").chmod(bits)
    with holding(place / "lock", STRANGER, left=left):
        with locks.held(place / "lock", 0):
            assert mode(place / "lock") == 0o600
            with locks.tried(place / "lock") as second:
                assert second is None
        with locks.held(place / "lock", 0):
            pass
    assert [path.name for path in place.iterdir()] == ["lock"]


@as_root
def test_a_stranger_cannot_open_a_lock_file(place: Path) -> None:
    with locks.held(place / "lock", 0):
        done = subprocess.run(
            ["flock", str(place / "lock"), "true"],
            user=STRANGER, group=STRANGER, extra_groups=[], cwd="/", capture_output=True, check=False,
        )  # fmt: skip
    assert b"Permission denied" in done.stderr


@as_root
def test_a_lock_file_of_a_stranger_is_replaced(place: Path) -> None:
    (place / "lock").touch(0o600)
    os.chown(place / "lock", STRANGER, STRANGER)
    with holding(place / "lock", STRANGER), locks.held(place / "lock", 0):
        assert (place / "lock").stat().st_uid == 0


def test_a_run_of_ours_that_holds_an_older_lock_file_is_waited_for(place: Path) -> None:
    (place / "lock").touch()
    (place / "lock").chmod(0o644)
    with holding(place / "lock"), pytest.raises(LockError), locks.held(place / "lock", 5):
        pass
    with locks.held(place / "lock", 0):
        assert mode(place / "lock") == 0o600


def test_a_lock_counts_only_while_its_file_has_the_name(place: Path) -> None:
    """Somebody waited on the old file while it was replaced: two would be inside."""
    (place / "lock").touch(0o600)
    waiting = os.open(place / "lock", os.O_RDWR)
    (place / "lock").unlink()
    with locks.held(place / "lock", 0):
        fcntl.flock(waiting, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert not locks._is_at(waiting, place / "lock")
    os.close(waiting)


@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "directory"])
def test_what_is_no_file_is_no_lock(place: Path, kind: str) -> None:
    path = place / "lock"
    if kind == "fifo":
        os.mkfifo(path, 0o600)
    elif kind == "directory":
        path.mkdir()
    else:
        (place / "target").touch()
        path.symlink_to("target" if kind == "link" else "nowhere")
    with pytest.raises((LockError, IsADirectoryError)), locks.held(path, 0):
        pass
    assert not (place / "nowhere").exists()


def of_a_binrepo(root: Path) -> AbstractContextManager[None]:
    return locked(StateDirectory(root, "lab"), print)


def of_a_tree(root: Path) -> AbstractContextManager[None]:
    return Tree(root / "tree").locked()


@pytest.mark.parametrize("lock", [of_a_binrepo, of_a_tree])
def test_each_of_our_waits_is_bounded(place: Path, clock: Clock, lock: Callable[[Path], AbstractContextManager[None]]) -> None:
    with lock(place):
        pass
    (file,) = (path for path in place.rglob("*") if path.name.endswith("lock"))
    assert mode(file) == 0o600
    with holding(file), pytest.raises(LockError), lock(place):
        pass
    assert 5 <= clock.now < 6


def test_the_log_is_written_without_its_lock(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log.append(place, RUN)
    lock = place / "var/log/portage-ext/runs.lock"
    assert mode(lock) == 0o600
    with holding(lock):
        log.append(place, RUN)
    assert log.read(place) == [RUN, RUN]
    assert capsys.readouterr().err.count("waiting for process") == 1


def test_nobody_else_can_open_what_a_worker_and_a_mark_hold(place: Path) -> None:
    with marks.working(place, 0):
        mark = marks.HeldMark(place, Path("/pkgdir"))
        assert {mode(path) for path in (place / marks.MARKS_DIRECTORY).iterdir()} == {0o600}
        mark.release()
