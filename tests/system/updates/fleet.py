"""A binhost and its clients, which live by `portage-ext update` alone, and what a day brings to them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portage_ext.trust import manage
from portage_ext.trust.keyrings import TrustDirectory
from tests.system.attacks.lab import binrepo
from tests.testkit import environments, keys
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.environments import Environment
from tests.testkit.keys import SigningKey
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

SETTINGS = """
[sign]
key = "{key}"
homedir = "{home}"

[publish]
tree = "{tree}"
into = "staging"
keep = 10
licences = ["@FREE"]
gates = ["index", "signatures", "closure", "contracts"]

[publish.channel.staging]
gates = ["index", "signatures"]
"""
ELOG = {"PORTAGE_ELOG_SYSTEM": "save_summary", "PORTAGE_ELOG_CLASSES": "log warn error"}


@dataclass(slots=True)
class Fleet:
    """``binhost`` builds what ``repository`` has and publishes it in ``tree``."""

    work: Path
    repository: EbuildRepository
    binhost: Root
    tree: Path
    key: SigningKey

    def configure(self, more: str = "") -> None:
        text = SETTINGS.format(key=self.key.fingerprint, home=self.key.home, tree=self.tree)
        self.binhost.etc("portage-ext.toml", text + more)

    def world(self, root: Root, *names: str) -> None:
        (root.path / "var/lib/portage/world").write_text("".join(f"{name}\n" for name in names))

    def update(self, *options: str, root: Root | None = None) -> Report:
        return Report((root or self.binhost).run("portage-ext", "update", "--json", *options))

    def release(self, channel: str) -> int | None:
        link = self.tree / channel
        return int(link.readlink().name) if link.is_symlink() else None

    def published(self, channel: str = "production") -> set[str]:
        """The packages that a channel offers, without the number of their build."""
        text = (self.tree / channel / "Packages").read_text()
        return {line.removeprefix("CPV: ") for line in text.splitlines() if line.startswith("CPV: ")}

    def client(self, url: str, name: str, *, plugin: bool, **settings: str) -> Root:
        """A client of the channel at ``url``; without ``plugin`` with Portage alone."""
        gnupg = self.work / name / "etc/portage/gnupg"
        root = Root.create(
            self.work / name,
            _environment(plugin),
            [self.repository],
            features="getbinpkg",
            BINPKG_GPG_VERIFY_GPG_HOME=str(gnupg),
            EMERGE_DEFAULT_OPTS="--getbinpkgonly",
            **settings,
        )
        if plugin:
            manage.add(TrustDirectory(root.path), gnupg, "lab", self.key.fingerprint, self.key.public(), "the test")
        else:
            keys.trust(gnupg, self.key)
        root.etc("binrepos.conf/lab.conf", binrepo(root, "lab", url))
        return root


def _environment(plugin: bool) -> Environment:
    return environments.environment(plugin=plugin)


@dataclass(slots=True)
class Report:
    """What `portage-ext update --json` printed."""

    outcome: Outcome

    @property
    def values(self) -> dict[str, Any]:
        assert self.outcome.stdout, str(self.outcome)
        found: dict[str, Any] = json.loads(self.outcome.stdout)
        return found

    def ok(self) -> Report:
        self.outcome.ok()
        assert self.values["ok"], str(self.outcome)
        return self

    def failed(self) -> Report:
        self.outcome.failed()
        return self

    @property
    def steps(self) -> dict[str, str]:
        return {one["name"]: one["outcome"] for one in self.values["steps"]}

    def line(self, step: str) -> str:
        found: str = next(one["line"] for one in self.values["steps"] if one["name"] == step)
        return found

    @property
    def held(self) -> dict[str, str]:
        return {one["what"]: one["why"] for one in self.values["held"]}


def new(work: Path, key: SigningKey) -> Fleet:
    """A binhost that has built nothing."""
    repository = EbuildRepository.create(work / "repo", "fleet")
    gnupg = work / "binhost/etc/portage/gnupg"
    root = Root.create(
        work / "binhost",
        environments.environment(),
        [repository],
        features="buildpkg binpkg-multi-instance",
        BINPKG_GPG_VERIFY_GPG_HOME=str(gnupg),
        **ELOG,
    )
    keys.trust(gnupg, key)
    made = Fleet(work, repository, root, work / "tree", key)
    made.configure()
    return made


def killed(root: Root, reached: Callable[[], bool], *command: str) -> None:
    """Start ``command`` in ``root`` and kill it with all that it has started when ``reached`` says so."""
    process = subprocess.Popen(
        command,
        env=root.variables(),
        cwd=root.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 300
        while not reached():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
