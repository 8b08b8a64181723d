"""A coordinator that builds for a target, and a client that is like the target and asks over real ssh, or over https."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.system.builds import lab as builds
from tests.system.builds.lab import Lab
from tests.system.swarm import kit as swarm
from tests.testkit import daemon, sshd
from tests.testkit.certificates import new_certificate
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

CAN = builds.CAN and sshd.SSHD is not None
REASON = f"{builds.REASON}; and sshd is needed"
DRIVER = 'FEATURES="getbinpkg"\nBUILD_ON_MISS="{}"\n'


@dataclass
class Asking:
    """``coordinator`` builds for the target ``v2`` in its environment; ``client`` is configured as that is.

    ``reach`` says to [ask] how the client reaches the service; ``shown`` to [client.laptop] who it is there."""

    lab: Lab
    client: Root
    port: int
    options: tuple[str, ...]
    reach: dict[str, str]
    shown: str = ""
    service: subprocess.Popen[bytes] | None = None
    """The service over https."""

    @property
    def coordinator(self) -> Root:
        return self.lab.builder

    def ask(self, mode: str, *, only: str = "", **settings: object) -> None:
        """The client's BUILD_ON_MISS is ``mode``; ``settings`` go to [ask]."""
        self.client.etc("env/driver", DRIVER.format(mode) + (f'BINPKG_ONLY="{only}"\n' if only else ""))
        values: dict[str, object] = {**self.reach, "target": '"v2"', "patience": 60}
        values |= {name.replace("_", "-"): value for name, value in settings.items()}
        self.client.etc("portage-ext.toml", "[ask]\n" + "".join(f"{name} = {value}\n" for name, value in values.items()))

    def allow(self, **quotas: object) -> None:
        """Let the client ask, within ``quotas`` of [client.laptop]."""
        text = (self.coordinator.path / "etc/portage/portage-ext.toml").read_text().partition("\n[client.")[0]
        lines = "".join(f"{name.replace('_', '-')} = {value}\n" for name, value in quotas.items())
        self.coordinator.etc("portage-ext.toml", f'{text}\n[client.laptop]\ntargets = ["v2"]\n{self.shown}{lines}')

    def request(self, *words: str) -> Outcome:
        return self.client.run("portage-ext", "request", *words)

    def states(self) -> dict[str, str]:
        """Each package that the client has asked for, and its state, as the coordinator has them."""
        told = json.loads(self.request("--json").ok().stdout)["packages"]
        return {one["cpv"]: one["state"] for one in told}


@contextmanager
def running(
    work: Path,
    transport: str = "ssh",
    program: Path | None = None,
    *,
    engine: str = "local",
    targets: tuple[str, ...] = ("v2",),
    twin: str = "",
) -> Iterator[Asking]:
    """The lab below ``work``, with a service that is reached by ``transport``, until the block ends.

    ``program`` is run in place of portage-ext on the coordinator, with Python. The first of ``targets`` is the client's.
    ``twin`` is a target with the environment of that and a repository of its own."""
    lab = builds.make(work, *targets, libraries=False)
    if twin:
        with (lab.builder.path / "etc/portage/portage-ext.toml").open("a") as configuration:
            configuration.write(f'\n[repository.{twin}]\ntree = "{work}/tree-{twin}"\npkgdir = "{work}/binpkgs-{twin}"\n')
    client = new_client(lab, "client", targets[0])
    python = str(lab.builder.environment.python)
    words = (str(lab.builder.environment.bin / "portage-ext"),) if program is None else (python, str(program))
    with swarm.building(lab, engine), {"ssh": _over_ssh, "https": _over_https}[transport](lab, client, words) as made:
        yield made
    # What works in the background must not outlive its files; it ends by itself. The service would count, too.
    lab.run("builds", "drain")
    for _ in range(600):
        left = builds.left_behind(lab)
        if not left:
            return
        time.sleep(0.1)
    raise AssertionError(left)


def new_client(lab: Lab, name: str, target: str, like: str = "") -> Root:
    """A host that is configured as the environment of ``target`` (or ``like``), and takes its packages."""
    settings = lab.targets[like or target].settings
    chosen = {key: settings[key] for key in ("CFLAGS", "USE") if key in settings}
    client = Root.create(lab.work / name, lab.builder.environment, [lab.repository], **chosen)
    for tool in client.environment.tools.iterdir():
        (client.path / "usr/bin" / tool.name).symlink_to(tool)
    client.etc("binrepos.conf", f"[built]\nsync-uri = file://{lab.work}/binpkgs-{target}\nverify-signature = false\n")
    client.etc("package.env", "*/* driver\n")
    return client


@contextmanager
def _over_ssh(lab: Lab, client: Root, program: tuple[str, ...]) -> Iterator[Asking]:
    place = lab.work / "ssh"
    place.mkdir()
    sshd.new_ssh_key(place / "host")
    key = sshd.new_ssh_key(place / "laptop")
    inside = " ".join(f"{name}={shlex.quote(value)}" for name, value in lab.builder.variables().items())
    (place / "authorized").write_text(f'restrict,command="env -i {inside} {shlex.join(program)} door --client laptop" {key}')
    with sshd.running(place) as port:
        options = tuple(shlex.split(sshd.client_options(place / "laptop")))
        said = ", ".join(f'"{word}"' for word in options)
        made = Asking(lab, client, port, options, {"where": f'"ssh://root@127.0.0.1:{port}"', "options": f"[{said}]"})
        made.allow()
        made.ask("wait")
        yield made


@contextmanager
def _over_https(lab: Lab, client: Root, program: tuple[str, ...]) -> Iterator[Asking]:
    certificate, key = new_certificate(lab.work, "laptop")
    server = re.findall(r"[0-9a-f]{64}", lab.run("door", "--setup").ok().stdout)[0]
    with daemon.free_port() as port:
        reach = {"where": f'"https://127.0.0.1:{port}"', "certificate": f'"{certificate}"', "key": f'"{key}"'}
        made = Asking(lab, client, port, (), reach | {"server": f'"{server}"'}, f'certificate = "{certificate}"\n')
        configuration = lab.builder.path / "etc/portage/portage-ext.toml"
        configuration.write_text(f'{configuration.read_text()}\n[door]\nlisten = "127.0.0.1:{port}"\n')
        made.allow()
        made.ask("wait")
        with daemon.running([*program, "door", "--serve"], port, env=lab.builder.variables()) as made.service:
            yield made
