"""A builder and two targets: Gentoo Prefixes with other CFLAGS, USE and another libtiny; and ebuilds for them."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.testkit import environments
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

_TRY = "d=$(mktemp -d) && mount -t tmpfs tmpfs $d && umount $d && rmdir $d"
CAN = (
    os.getuid() == 0
    and subprocess.run(["unshare", "-mpnf", "sh", "-c", _TRY], capture_output=True, check=False).returncode == 0
)
REASON = "a build in a cage needs root, and a kernel that lets it make namespaces and mounts"
SWARM = ("portage-ext builder", "portage-ext coordinator", "twistd")
"""Processes of a swarm that are no builds."""
PROGRAM = """
#include <stdio.h>
int tiny(void);
int main(void) {
#ifdef __AVX2__
    printf("v3");
#else
    printf("below v3");
#endif
    puts("");
    return tiny();
}
"""


@dataclass(frozen=True)
class Lab:
    """``run`` is a command on the builder."""

    builder: Root
    targets: dict[str, Root]
    repository: EbuildRepository
    work: Path
    orphans: set[Path] = field(default_factory=set)
    """Control groups of dead processes, of this test or another, when the last run began: a run removes them all."""
    machines: list[Root] = field(default_factory=list)
    """Builders of a swarm; with none, the builder builds itself."""

    @property
    def state(self) -> Path:
        return self.builder.path / "var/lib/portage-ext/builds"

    def run(self, *words: str) -> Outcome:
        if words[:2] == ("builds", "run"):
            self.orphans.clear()
            self.orphans.update(_orphans())
        return self.builder.run("portage-ext", *words)

    def capture(self, name: str) -> Outcome:
        words = ("target", "capture", name, "--prefix", str(self.targets[name].path))
        for machine in self.machines:
            machine.run("portage-ext", *words).ok()
        return self.run(*words)

    def jobs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.run("builds", "list", "--json").ok().stdout)["jobs"]
        return found

    def packages(self, name: str) -> list[Path]:
        return sorted((self.work / f"binpkgs-{name}").rglob("*.gpkg.tar"))

    def logs(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted(self.state.glob("log/*.log")))

    def client(self, name: str, packages_of: str) -> Outcome:
        """Install app-misc/thing in the target ``name`` from the packages that were built for ``packages_of``."""
        pkgdir = str(self.work / f"binpkgs-{packages_of}")
        return self.targets[name].emerge("--usepkgonly", "--oneshot", "app-misc/thing", PKGDIR=pkgdir)


def make(work: Path, *names: str, libraries: bool = True) -> Lab:
    """The lab below ``work`` with the targets ``names``, captured; without ``libraries`` nothing is installed in them."""
    repository = EbuildRepository.create(work / "tiny")
    for version in ("1", "2"):
        source = "int tiny(void) { return 0; }\n"
        repository.c_library(f"dev-libs/libtiny-{version}", source, f"libtiny.so.{version}", SLOT=f"0/{version}")
    needs = {"DEPEND": "dev-libs/libtiny:=", "RDEPEND": "dev-libs/libtiny:="}
    repository.c_program("app-misc/thing-1.0", PROGRAM, libraries="-ltiny", IUSE="foo", **needs)
    settings = {"v2": {"CFLAGS": "-O2 -march=x86-64-v2", "USE": "foo"}, "v3": {"CFLAGS": "-O3 -march=x86-64-v3"}}
    targets = {name: Root.create(work / name, environments.environment(), [repository], **settings[name]) for name in names}
    for version, root in zip(("1", "2"), targets.values(), strict=False):
        # A prefix has its compiler in it; here the test kit's is linked there.
        for tool in root.environment.tools.iterdir():
            (root.path / "usr/bin" / tool.name).symlink_to(tool)
        if libraries:
            root.emerge(f"=dev-libs/libtiny-{version}").ok()
    builder = Root.create(work / "builder", environments.environment(), [repository])
    text = '[binhost]\nafter-emerge = "index"\n\n[build]\nmemory-mib = 400\ndisk-mib = 200\nprocesses = 300\nfree-mib = 16\n'
    for name in targets:
        text += f'\n[repository.{name}]\ntree = "{work}/tree-{name}"\npkgdir = "{work}/binpkgs-{name}"\n'
    builder.etc("portage-ext.toml", text)
    lab = Lab(builder, targets, repository, work)
    for name in targets:
        lab.capture(name).ok()
    return lab


def _orphans() -> list[Path]:
    groups = Path("/sys/fs/cgroup").glob("**/portage-ext/*-*")
    return [path for path in groups if not Path("/proc", path.name.rpartition("-")[2]).exists()]


def left_behind(lab: Lab) -> list[str]:
    """Mounts, processes and scratches of builds that are still there."""
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(lab.state) in line]
    marker = str(lab.work).encode()
    processes: list[str] = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes()
        except OSError:
            continue
        if marker in command:
            processes.append(command.replace(b"\0", b" ").decode(errors="replace"))
    groups = [str(path) for path in lab.orphans if path.exists()]
    scratches = [path.name for path in lab.state.glob("scratch/*.*") if path.name != ".lock"]
    if lab.machines:
        processes = [line for line in processes if not any(word in line for word in SWARM)]
    return [*mounts, *processes, *groups, *scratches]
