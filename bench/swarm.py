"""A thousand queued jobs over 2 to 100 simulated builders: how long the coordinator's steps take; its and Buildbot's memory.

The ledger, the wishes and the steps are the real ones; builders are labels, and Buildbot is a link that says nothing. Memory is
of a real coordinator with a real Buildbot that idle: the proportional set size of both, as the kernel counts it.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

from portage_ext.builds.means import means
from portage_ext.model.builder import Builder
from portage_ext.swarm import coordinator as module
from portage_ext.swarm.coordinator import Coordinator
from portage_ext.swarm.labels import Labels
from portage_ext.swarm.master import Master
from portage_ext.swarm.register import Known, Register
from portage_ext.targets.capture import Installed, Target
from portage_ext.targets.differences import identity
from portage_ext.tasks.site import Site
from tests.unit.builds.examples import job

JOBS, TARGETS = 1000, 5
BUILDERS = (2, 10, 50, 100)


class Silent:
    """Takes what Buildbot would be told."""

    def __init__(self) -> None:
        self.submitted: list[tuple[str, str]] = []

    def say(self, do: str, **values: Any) -> None:
        if do == "submit":
            self.submitted.append((values["id"], values["builder"]))


def target(number: int) -> Target:
    packages = tuple(
        Installed(f"dev-libs/lib{one}-1.{number}", "0/1", "gentoo", "1", "1", "", "x86_64-pc-linux-gnu", "ab" * 32)
        for one in range(600)
    )
    return Target(Builder(chost="x86_64-pc-linux-gnu", cpu_needs=("avx2",)), 1, installed=packages)


def steps(directory: Path, builders: int) -> None:
    with means(Site.read(directory)) as its:
        identities = {}
        for number in range(TARGETS):
            its.targets.save(f"t{number}", target(number))
            identities[f"t{number}"] = identity(its.targets.load(f"t{number}"))
        installed = {"slot": "0/1", "build_id": "1", "contents": "ab" * 32}
        dependencies = {f"dev-libs/lib{n}:0": {"cpv": f"dev-libs/lib{n}-1", **installed}
                        for n in range(120)}  # fmt: skip
        for number in range(JOBS):
            wanted = job(cpv=f"app-misc/p{number}-1", dependencies=dependencies)
            its.ledger.request(
                hashlib.sha256(str(number).encode()).hexdigest(), f"t{number % TARGETS}", wanted, priority=number % 3
            )
        register = Register(directory / "swarm")
        register.directory.mkdir()
        one = Coordinator(its, register, cast(Master, None), print)
        link = Silent()
        one._link = cast(Any, link)
        for number in range(builders):
            name = f"b{number}"
            # Each builder has three of five environments (all if there are few builders), and every fifth lacks the CPU.
            has = {f"t{n}": identities[f"t{n}"] for n in range(TARGETS) if (n + number) % TARGETS < 3 or builders < TARGETS}
            features = frozenset() if number % 5 == 4 else frozenset({"avx2"})
            one._known[name] = Known("s")
            one._builders[name] = {"connected": True, "draining": False, "busy": 0, "labels": ""}
            one._labels[name] = Labels("x86_64", "", features, 3, 8, 2**34, 2**38, number / builders, has)
        module.spare_the_collector()  # as `run` does
        took: list[float] = []
        done = 0
        while done < JOBS:
            began = time.process_time()
            one._decide()
            took.append(time.process_time() - began)
            # Half of what runs ends after each step.
            for identity_, _ in link.submitted[: max(1, len(link.submitted) // 2)]:
                attempt, _ = one._attempts.pop(identity_)
                its.ledger.end(attempt, "failed", failure="package", reason="simulated")
                done += 1
            del link.submitted[: max(1, len(link.submitted) // 2)]
        took.sort()
        middle, longest = statistics.median(took) * 1e3, took[-1] * 1e3
        print(
            f"{JOBS} jobs, {builders} builders: {len(took)} steps of {middle:.1f} ms of CPU time, the longest {longest:.1f} ms"
        )


def pss(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("Pss:")).split()[1]) * 1024


def memory(work: Path) -> None:
    from tests.system.builds import lab
    from tests.system.swarm import kit

    with kit.running(lab.make(work, "v2", libraries=False)) as swarm:
        swarm.join("b1", "v2")
        time.sleep(5)
        process, builder = swarm.coordinator.process, swarm.builders["b1"]
        assert process is not None
        assert builder.process is not None
        ours, master = pss(process.pid) / 2**20, pss(swarm.coordinator.worker) / 2**20
        other = (pss(builder.process.pid) + pss(builder.worker)) / 2**20
        print(f"idle: coordinator {ours:.0f} MB and Buildbot's master {master:.0f} MB, together {ours + master:.0f} MB")
        print(f"idle: a builder with Buildbot's worker {other:.0f} MB")


def main() -> None:
    assert module.REFUSED == 75
    for builders in BUILDERS:
        with tempfile.TemporaryDirectory() as directory:
            steps(Path(directory), builders)
    if os.geteuid() == 0 and "--steps" not in sys.argv:
        with tempfile.TemporaryDirectory(prefix="pe-") as directory:
            memory(Path(directory))


if __name__ == "__main__":
    main()
