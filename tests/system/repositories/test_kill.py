"""A run that is killed while it exchanges a repository leaves the old or the new one, and the next run goes on from there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from portage_ext.repositories import swap
from portage_ext.repositories.swap import File

OLD = {"profiles/repo_name": File(b"guru\n"), "app-misc/keyd/keyd-1.ebuild": File(b"EAPI=8\n")}
NEW = {"profiles/repo_name": File(b"guru\n"), "app-misc/other/other-1.ebuild": File(b"EAPI=8\n")}
CHANGING = "chmod,fsync,mkdir,rename,renameat2,rmdir,syncfs,unlink,unlinkat,utimensat"
CHECKOUT = Path(__file__).parents[3]
PROGRAM = """
import sys
from pathlib import Path
from portage_ext.repositories import swap
from tests.system.repositories.test_kill import NEW
if "plainly" in sys.argv:
    swap._exchanged = lambda one, other: False
swap.replace(Path(sys.argv[1]), NEW)
"""


def run(location: Path, how: str, *strace: str) -> tuple[int, str]:
    """Replace the repository under strace; its exit status, and the calls that were traced."""
    log = location.with_name("log")
    words = ["strace", "-o", str(log), "-e", f"trace={CHANGING}", *strace, sys.executable, "-c", PROGRAM, str(location), how]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, cwd=CHECKOUT, env=environment, capture_output=True, check=False)
    return done.returncode, log.read_text()


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)], ids=["every third", "every"])
@pytest.mark.parametrize("how", ["exchanging", "plainly"])
def test_killed_at_calls_that_change_a_file(work: Path, how: str, step: int) -> None:
    location = work / "guru"
    swap.replace(location, OLD)
    status, calls = run(location, how)
    assert status == 0, calls
    names = re.findall(r"^(\w+)\(", calls, re.M)
    assert "renameat2" in names or how == "plainly"
    found = set()
    for name in dict.fromkeys(names):
        for number in range(1, names.count(name) + 1, step):
            swap.replace(location, OLD)
            status, calls = run(location, how, "-e", f"inject={name}:signal=KILL:when={number}")
            assert status != 0, (name, number, calls)
            there = swap.read(location)
            if how == "plainly" and there is None:
                # Between two renames, where directories cannot be exchanged: the next run puts the old one back.
                location.mkdir()
                swap.recover(location)
                there = swap.read(location)
            assert there in (OLD, NEW), (name, number)
            found.add("new" if there == NEW else "old")
            swap.replace(location, NEW)
            assert sorted(os.listdir(work)) == ["guru", "log"], (name, number)
    assert found == {"old", "new"}
