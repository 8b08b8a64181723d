"""A lock below the cache belongs to the process that took it: what that process has started does not keep it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testkit.environments import CHECKOUT

# It forks as tests do, starts a program, and is killed while both are still there.
HOLDER = """
import os, pathlib, subprocess, sys, time
from tests.testkit import environments
environments.CACHE = pathlib.Path(sys.argv[1])
with environments.locked("thing"):
    forked = os.fork()
    if forked == 0:
        print("forked", flush=True)
        time.sleep(600)
    started = subprocess.Popen(["sleep", "600"])
    print(forked, started.pid, flush=True)
    time.sleep(600)
"""


def test_whatever_ends_the_holder_of_a_lock_frees_it(tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLDER, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as holder:
        assert holder.stdout is not None
        lines = [holder.stdout.readline().split() for _ in range(2)]
        children = [int(word) for line in lines for word in line if word.isdigit()]
        try:
            with (tmp_path / "thing.lock").open("w") as file:
                with pytest.raises(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                holder.kill()
                holder.wait()
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            holder.kill()
            for child in children:
                os.kill(child, signal.SIGKILL)
