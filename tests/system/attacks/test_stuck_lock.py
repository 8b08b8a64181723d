"""A lock that somebody holds for ever hangs nobody's emerge. Through real emerge."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from portage_ext.trust.memory import StateDirectory
from tests.system.attacks.lab import REPO, Lab

NOBODY = 65534


@contextmanager
def holding(path: Path, uid: int | None = None) -> Iterator[int]:
    """Somebody who can read ``path`` holds it."""
    pipe, groups = subprocess.PIPE, None if uid is None else list[int]()
    words = ["flock", str(path), "sh", "-c", "echo held; exec cat"]
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, cwd="/", user=uid, group=uid, extra_groups=groups) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"held\n"
        yield process.pid
        process.stdin.close()
        process.stdout.read()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_local_user_who_holds_the_lock_of_an_older_version(lab: Lab) -> None:
    lab.remembers()
    lock = StateDirectory(lab.client.path, REPO).directory / f"{REPO}.lock"
    assert lock.stat().st_mode & 0o777 == 0o600
    lock.chmod(0o644)
    with holding(lock, NOBODY):
        lab.accepted("app-misc/hello")
    assert lock.stat().st_mode & 0o777 == 0o600


def test_a_run_of_ours_that_hangs_costs_a_named_refusal(lab: Lab, work: Path) -> None:
    lab.remembers()
    lock = StateDirectory(lab.client.path, REPO).directory / f"{REPO}.lock"
    # Nobody waits for minutes in a test.
    (work / "hasty").mkdir()
    (work / "hasty/sitecustomize.py").write_text(
        "from portage_ext import limits\nlimits.FETCH_LOCK = 1.0\nlimits.LOCK_SILENT = 0.1\n"
    )
    with holding(lock) as pid:
        outcome = lab.emerge("app-misc/hello", PYTHONPATH=str(work / "hasty")).failed()
    assert f"waiting for process {pid} (flock)" in outcome.text
    assert f"{lock}: process {pid} (flock) has held this lock for more than 1 s" in outcome.text
    assert "Traceback" not in outcome.text
    assert "app-misc/hello-1.1" not in lab.client.installed()
    lab.accepted("app-misc/hello")
