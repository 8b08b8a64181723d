"""kill -9 at random moments, of the run, of a build's process, of its cage, of emerge: one publication, and nothing is left.

BUILD_KILLS says how often; ``make test-builds`` asks for thirty. The moments are parts of the time that a whole run takes
here, drawn from a fixed seed.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.system.builds.lab import Lab, left_behind

KILLS = int(os.environ.get("BUILD_KILLS", "3"))
BODY = "src_install() { insinto /usr/share; echo x > x; doins x; }\n"


def family(pid: int) -> list[int]:
    """A process and its descendants that are ours to kill: runs, cages, and the emerge in them; no phase of an ebuild."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue
        children.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(path.parent.name))
    found, waiting = [pid], [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        waiting += below
        found += [one for one in below if named(one)]
    return found


def named(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    text = b" ".join(words)
    return any(word in text for word in (b"portage_ext", b"unshare", b"/emerge")) and b"ebuild" not in text


def begin(lab: Lab, package: str) -> subprocess.Popen[bytes]:
    words = [str(lab.builder.environment.bin / "portage-ext"), "build", "v2", package]
    return subprocess.Popen(words, env=lab.builder.variables(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.slow
def test_whatever_is_killed_there_is_one_publication_and_nothing_left(small: Lab) -> None:
    chance = random.Random(KILLS)
    for number in range(KILLS + 1):
        small.repository.ebuild(f"app-misc/victim{number}-1", BODY)
    started = time.monotonic()
    assert begin(small, "app-misc/victim0").wait() == 0
    whole = time.monotonic() - started
    killed: list[str] = []
    for number in range(1, KILLS + 1):
        run = begin(small, f"app-misc/victim{number}")
        moment = chance.uniform(0.1, 1.0) * whole
        try:
            run.wait(moment)
        except subprocess.TimeoutExpired:
            victim = chance.choice(family(run.pid))
            killed.append(Path(f"/proc/{victim}/comm").read_text().strip() if Path(f"/proc/{victim}").exists() else "gone")
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                killed[-1] = "gone"
            run.wait()
        small.run("build", "v2", f"app-misc/victim{number}").ok()
        small.run("builds", "run").ok()
        assert left_behind(small) == [], (killed, moment)
    names = [path.name for path in small.packages("v2")]
    assert sorted(names) == sorted(f"victim{number}-1-1.gpkg.tar" for number in range(KILLS + 1)), killed
    assert {job["state"] for job in small.jobs()} == {"published"}
    index = (small.work / "binpkgs-v2/Packages").read_text()
    assert index.count("CPV: ") == KILLS + 1
    print(f"\nkilled: {', '.join(killed)}")
