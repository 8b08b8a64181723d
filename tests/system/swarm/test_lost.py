"""Builders, Buildbot and the coordinator are killed while they work: one publication, no orphan, and nothing is lost.

In the first attempt the build waits for ever in src_compile; its log, which the test reads as it grows, says so. make test
kills a builder and the coordinator; SWARM_LOSSES=all also stops a builder, and kills Buildbot and the coordinator often.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.system.swarm.kit import Swarm

ALL = os.environ.get("SWARM_LOSSES") == "all"
rest = pytest.mark.skipif(not ALL, reason="make test-swarm plays it")
EBUILD = """
src_compile() {
    echo "the build waits" >&2
    [[ -e "${EPREFIX}"/go-on ]] || sleep 987653
}
src_install() { insinto /usr/share; echo x > x; doins x; }
"""


def begin(swarm: Swarm, builders: int = 2) -> str:
    """A build that waits on one of some builders: the name of that builder; go-on lets the next attempt through."""
    swarm.lab.repository.ebuild("app-misc/slow-1", EBUILD)
    for number in range(1, builders + 1):
        swarm.join(f"b{number}", "v2")
    swarm.asking = swarm.build("app-misc/slow-1")
    swarm.until(lambda: "the build waits" in swarm.lab.logs())
    (swarm.lab.targets["v2"].path / "go-on").touch()
    (name,) = [one["name"] for one in swarm.status()["builders"] if one["running"]]
    return str(name)


def end(swarm: Swarm) -> list[str]:
    """The job was published once, by one package, and no cage is left; how its attempts ended."""
    assert swarm.asking is not None
    swarm.asking.wait(90)
    assert swarm.asking.returncode == 0
    assert [path.name for path in swarm.lab.packages("v2")] == ["slow-1-1.gpkg.tar"]
    (job,) = swarm.lab.jobs()
    assert job["state"] == "published"
    swarm.until(lambda: swarm.cages() == [])
    assert list((swarm.state / "attempts").iterdir()) == []
    return swarm.outcomes(job["key"])


def test_the_job_of_a_builder_that_is_killed_is_built_elsewhere(swarm: Swarm) -> None:
    name = begin(swarm)
    builder, began = swarm.builders[name], time.monotonic()
    os.kill(builder.worker, signal.SIGKILL)
    builder.kill()
    swarm.until(lambda: len(swarm.lab_attempts()) == 2)
    print(f"killed: running elsewhere after {time.monotonic() - began:.1f} s")
    first, second = end(swarm)
    assert first == f"builder {name} was lost while it built"
    assert second == "checked"
    assert swarm.seen(name)["failures"] == 1


@pytest.mark.slow
def test_a_coordinator_that_is_killed_goes_on_where_it_was(swarm: Swarm) -> None:
    begin(swarm, builders=1)
    watched = swarm.coordinator.run("watch", "--once").ok().stdout
    assert "builds for v2" in watched
    assert "▶ slow-1 build" in watched
    swarm.coordinator.kill()
    # Buildbot dies with it, and the builder ends what nobody waits for any more.
    swarm.until_true(lambda: swarm.cages() == [])
    swarm.start()
    first, second = end(swarm)
    assert first == "the coordinator was ended while it was built"
    assert second == "checked"
    assert swarm.seen("b1")["failures"] == 0


@rest
@pytest.mark.parametrize("how", ["stopped", "half open"])
def test_a_builder_that_falls_silent_is_lost_within_a_minute(swarm: Swarm, how: str) -> None:
    name = begin(swarm)
    builder, began = swarm.builders[name], time.monotonic()
    os.kill(builder.worker, signal.SIGSTOP)
    if how == "stopped":
        builder.kill(signal.SIGSTOP)
    swarm.until(lambda: len(swarm.lab_attempts()) == 2)
    took = time.monotonic() - began
    print(f"{how}: running elsewhere after {took:.1f} s")
    assert took < 60
    os.kill(builder.worker, signal.SIGCONT)
    builder.kill(signal.SIGCONT)
    assert end(swarm) == [f"builder {name} was lost while it built", "checked"]
    # It comes back, and is not held to what was given up.
    swarm.until(lambda: swarm.seen(name)["closed"] == "")


@rest
def test_a_master_that_is_killed_is_started_again(swarm: Swarm) -> None:
    begin(swarm, builders=1)
    os.kill(swarm.coordinator.worker, signal.SIGKILL)
    first, second = end(swarm)
    assert first.startswith("Buildbot's master does not answer")
    assert second == "checked"


def build_and_kill(swarm: Swarm, number: int) -> None:
    """Ask for a package, and kill the coordinator or Buildbot's master at a moment of its own; the answer still comes."""
    cpv = f"app-misc/quick-{number}"
    swarm.lab.repository.ebuild(cpv, EBUILD)
    asking = swarm.build(cpv)
    swarm.until(lambda: cpv in swarm.states())
    time.sleep(number * 0.4)
    if number % 3 == 2:
        os.kill(swarm.coordinator.worker, signal.SIGKILL)
    else:
        swarm.coordinator.kill()
        swarm.start()
    assert asking.wait(120) == 0


@rest
def test_killed_at_many_moments_it_publishes_once(swarm: Swarm) -> None:
    """The coordinator and Buildbot are killed at moments spread over taking, sending, building, receiving and publishing."""
    swarm.join("b1", "v2")
    (swarm.lab.targets["v2"].path / "go-on").touch()
    for number in range(12):
        build_and_kill(swarm, number)
    assert set(swarm.states().values()) == {"published"}
    names = sorted(path.name for path in swarm.lab.packages("v2"))
    assert names == sorted(f"quick-{number}-1.gpkg.tar" for number in range(12))
    index = Path(swarm.lab.work / "binpkgs-v2/Packages").read_text()
    assert index.count("CPV: app-misc/quick-") == 12
    assert list((swarm.state / "attempts").iterdir()) == []
    assert swarm.cages() == []
