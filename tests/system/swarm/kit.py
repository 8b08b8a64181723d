"""A swarm on loopback: the lab's builder as coordinator, with real Buildbot over TLS, and machines that join it.

The environments of targets are Prefixes, which lie at the same path for all of them, as on machines that share them by NFS.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from portage_ext.builds.ledger.entries import Entry
from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.builds.places import LEDGER
from tests.system.builds import lab as labs
from tests.system.builds.lab import Lab
from tests.testkit import environments
from tests.testkit.daemon import free_port
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

PATIENCE = 90.0
"""Seconds after which what a test waits for counts as never coming."""


@dataclass
class Machine:
    """A machine with a root of its own; ``process`` is our command that runs there in the background."""

    root: Root
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def run(self, *words: str) -> Outcome:
        return self.root.run("portage-ext", *words)

    def start(self, *words: str, before: tuple[str, ...] = ()) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*before, str(self.root.environment.bin / "portage-ext"), *words],
                env=self.root.variables(),
                cwd=self.root.path,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self, number: int = signal.SIGKILL) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.process.wait(PATIENCE)

    @property
    def worker(self) -> int:
        """The process id of Buildbot's part of it."""
        assert self.process is not None
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""


@dataclass
class Swarm:
    """The lab, its coordinator, and builders by name."""

    lab: Lab
    port: int
    coordinator: Machine
    builders: dict[str, Machine] = field(default_factory=dict)
    place: str = "127.0.0.1"
    before: tuple[str, ...] = ()
    """Words before the coordinator's own, such as those that run it in a network namespace."""
    asking: subprocess.Popen[bytes] | None = None
    """`portage-ext build` in the background."""

    @property
    def state(self) -> Path:
        return self.coordinator.root.path / "var/lib/portage-ext/swarm"

    def start(self) -> None:
        before = self.coordinator.said()
        self.coordinator.start("coordinator", "run", before=self.before)
        self.until(lambda: "builders can join" in self.coordinator.said()[len(before) :])

    def make(self, name: str, *targets: str, toml: str = "") -> Machine:
        """A machine that has environments of ``targets``, and no part in the swarm yet."""
        root = Root.create(self.lab.work / name, environments.environment(), [self.lab.repository])
        root.etc(
            "portage-ext.toml",
            f'[build]\nmemory-mib = 400\ndisk-mib = 200\nprocesses = 300\n[swarm]\nbuildbot = "{environments.buildbot()}"\n'
            f"free-disk-mib = 1\nwait-seconds = 5\n{toml}",
        )
        machine = Machine(root, self.lab.work / f"{name}.log")
        for target in targets:
            machine.run("target", "capture", target, "--prefix", str(self.lab.targets[target].path)).ok()
        self.builders[name] = machine
        return machine

    def join(self, name: str, *targets: str, before: tuple[str, ...] = (), toml: str = "", group: str = "") -> Machine:
        machine = self.builders.get(name) or self.make(name, *targets, toml=toml)
        token = self.lab.work / f"{name}.token"
        self.coordinator.run("coordinator", "add", name, "--group", group, "--token-file", str(token)).ok()
        self.until(lambda: name in (self.state / "master/swarm.json").read_text())
        machine.start("builder", "join", f"tls://{self.place}:{self.port}", "--token-file", str(token), before=before)
        self.until(lambda: self.seen(name)["closed"] == "")
        return machine

    def status(self) -> dict[str, Any]:
        """What the coordinator has written down, without a process for each look."""
        try:
            found: dict[str, Any] = json.loads((self.state / "status.json").read_text())
        except FileNotFoundError:
            return {"builders": [], "running": []}
        return found

    def seen(self, name: str) -> dict[str, Any]:
        return next((one for one in self.status()["builders"] if one["name"] == name), {"closed": "not there"})

    def until(self, condition: Callable[[], Any]) -> None:
        """Wait until ``condition`` holds; AssertionError with what everybody said when it never does."""
        end = time.monotonic() + PATIENCE
        while not condition():
            ended = self.coordinator.process is not None and self.coordinator.process.poll() is not None
            if ended or time.monotonic() > end:
                every = (self.coordinator, *self.builders.values())
                said = "".join(f"--- {one.log.name}\n{one.said()[-3000:]}" for one in every)
                raise AssertionError(f"it never came\n{said}")
            time.sleep(0.1)

    def until_true(self, condition: Callable[[], bool]) -> None:
        """As :meth:`until`, whether the coordinator runs or not."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "it never came"
            time.sleep(0.05)

    def lab_attempts(self) -> list[str]:
        """The attempts so far, as their logs are named."""
        return sorted(path.name for path in self.lab.state.glob("log/*.log"))

    def outcomes(self, key: str) -> list[str]:
        """How the attempts at a job ended."""
        shown = json.loads(self.lab.run("builds", "show", key, "--json").ok().stdout)
        return [str(one["outcome"]) for one in shown["attempts"]]

    def build(self, atom: str) -> subprocess.Popen[bytes]:
        """`portage-ext build` in the background."""
        words = [str(self.lab.builder.environment.bin / "portage-ext"), "build", "v2", f"={atom}"]
        nothing = subprocess.DEVNULL
        return subprocess.Popen(
            words, env=self.lab.builder.variables(), cwd=self.lab.work, stdin=nothing, stdout=nothing, stderr=nothing
        )

    def waiting(self, atom: str) -> str:
        """Ask for a package that nobody can build now; why it waits, in the words of `builds show`."""
        with self.build(atom) as asking:
            self.until(lambda: any(one.job.cpv == atom and one.reason for one in self.entries()))
            asking.terminate()
        key = next(one.key for one in self.entries() if one.job.cpv == atom)
        return self.lab.run("builds", "show", key).ok().stdout

    def cages(self) -> list[str]:
        """What builds have left, beside the builders and the coordinator themselves."""
        return [line for line in labs.left_behind(self.lab) if not any(word in line for word in labs.SWARM)]

    def ask(self, builder: str, place: str) -> dict[str, Any]:
        """Submit one attempt to Buildbot's master itself; how it ended. The builder is given time to connect."""
        with socket.socket(socket.AF_UNIX) as link, contextlib.chdir(self.state / "master"):
            link.settimeout(PATIENCE)
            link.connect("master.sock")
            order = self.lab.work / "order.json"
            order.write_text("{}")
            wanted = {
                "do": "submit", "id": "one", "builder": builder,
                "files": [[str(order), "order.json"]],
                "results": [["report.json", place]], "log": str(self.lab.work / "asked.log"), "most": 1000, "most_log": 1000,
                "seconds": 60,
            }  # fmt: skip
            with link.makefile("r") as lines:
                for line in lines:
                    event: dict[str, Any] = json.loads(line)
                    if event["event"] == "builders" and event["builders"].get(builder, {}).get("connected") and wanted:
                        link.sendall(json.dumps(wanted).encode() + b"\n")
                        wanted = {}
                    if event["event"] == "ended":
                        return event
        raise AssertionError("Buildbot has ended")

    def entries(self) -> list[Entry]:
        """The jobs of the ledger, without a process for each look."""
        with contextlib.closing(Ledger(self.lab.state / LEDGER)) as ledger:
            return ledger.entries()

    def states(self) -> dict[str, str]:
        return {one.job.cpv: one.state for one in self.entries()}


@contextmanager
def running(lab: Lab, place: str = "127.0.0.1", before: tuple[str, ...] = ()) -> Iterator[Swarm]:
    """A coordinator that runs, without builders; everything is ended with the block."""
    with ExitStack() as stack:
        port = stack.enter_context(free_port())
        path = lab.builder.path / "etc/portage/portage-ext.toml"
        text = path.read_text().replace("[build]\n", '[build]\nengine = "buildbot"\n')
        path.write_text(f'{text}\n[swarm]\nlisten = "{place}:{port}"\nbuildbot = "{environments.buildbot()}"\n')
        swarm = Swarm(lab, port, Machine(lab.builder, lab.work / "coordinator.log"), place=place, before=before)
        lab.run("coordinator", "setup").ok()
        try:
            swarm.start()
            yield swarm
        finally:
            if swarm.asking is not None and swarm.asking.poll() is None:
                swarm.asking.kill()
                swarm.asking.wait()
            for one in (*swarm.builders.values(), swarm.coordinator):
                if one.process is not None and one.process.poll() is None:
                    one.process.send_signal(signal.SIGCONT)
                    one.process.terminate()
            for one in (*swarm.builders.values(), swarm.coordinator):
                if one.process is not None:
                    try:
                        one.process.wait(20)
                    except subprocess.TimeoutExpired:
                        one.process.kill()
                        one.process.wait()


@contextmanager
def building(lab: Lab, engine: str) -> Iterator[None]:
    """The lab builds with ``engine`` in the block: `local`, or `buildbot` with one builder that has every target."""
    if engine == "local":
        yield
        return
    with running(lab) as swarm:
        lab.machines.append(swarm.join("b1", *lab.targets).root)
        yield


ENGINES = ("local", pytest.param("buildbot", marks=pytest.mark.slow))
"""The same cases with each engine."""
CAN, REASON = labs.CAN, labs.REASON
assert os.name == "posix"
