"""Fixtures: a client of a publishing binhost, both in good health."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from portage_ext.trust import release as release_text
from portage_ext.trust.signer import GpgSigner
from portage_ext.trust.signer import SigningKey as Signing
from tests.system.publish import site
from tests.system.publish.site import Host
from tests.testkit import httpd, keys
from tests.testkit.environments import CHECKOUT
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

DAY = 86400


def findings(root: Root) -> dict[str, list[dict[str, str]]]:
    """What check says of a host: findings by area."""
    outcome = root.run("portage-ext", "check", "--json")
    assert "Traceback" not in outcome.stderr, outcome
    told: dict[str, Any] = json.loads(outcome.stdout)
    assert told["status"] == outcome.status
    return {area["name"]: area["findings"] for area in told["areas"] if area["findings"]}


def one(root: Root, area: str, *words: str) -> dict[str, str]:
    """The only finding; it is in ``area`` and says ``words``."""
    found = findings(root)
    assert list(found) == [area], found
    assert len(found[area]) == 1, found
    for word in words:
        assert word in found[area][0]["what"], found
    return found[area][0]


def follow(root: Root, found: dict[str, str], *more: str, **filled: str) -> Outcome:
    """Run the command that the remedy begins with, in a shell; ``filled`` are the words that only a person knows."""
    command = re.split(r"[,;] ", found["remedy"])[0]
    for word, value in filled.items():
        command = re.sub(rf"\b{word}\b", value, command)
    return root.run("sh", "-ec", " ".join((f"cd {shlex.quote(str(CHECKOUT))};", command, *more))).ok()


def healthy(root: Root) -> Outcome:
    """Check finds nothing."""
    outcome = root.run("portage-ext", "check")
    assert outcome.status == 0, str(outcome)
    assert "healthy" in outcome.stdout
    return outcome


@dataclass(slots=True)
class Pair:
    """A binhost that has published in production, its client, and the web server between them."""

    host: Host
    client: Root
    url: str
    web: ExitStack

    def age(self, created: float, expires: float) -> None:
        """Sign the live Release again with other times, in days from now."""
        directory = self.host.tree / "production"
        now = int(time.time())
        release = release_text.parse((directory / "Release").read_bytes())
        data = release_text.emit(replace(release, created=now + int(created * DAY), expires=now + int(expires * DAY)))
        signer = GpgSigner(Signing(self.host.key.fingerprint, self.host.key.fingerprint), self.host.key.home)
        (directory / "Release").write_bytes(data)
        (directory / "Release.asc").write_bytes(signer.detach(data))


@pytest.fixture(scope="session")
def published(signed: Host) -> Iterator[Host]:
    """A host that has published in production. Read only."""
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        Path(name).chmod(0o755)
        made = site.host(Path(name), signed)
        made.run("publish", "--channel", "production", "--gates", "index").ok()
        keys.kill_agents(made.key.home)
        yield made


@pytest.fixture
def pair(work: Path, published: Host) -> Iterator[Pair]:
    """Both sides, in good health."""
    host = site.host(work, published)
    shutil.copytree(published.tree, host.tree, symlinks=True)
    shutil.copytree(published.root.path / "var/lib", host.root.path / "var/lib", dirs_exist_ok=True)
    try:
        with ExitStack() as web:
            url = web.enter_context(httpd.serve(host.tree)).url
            client = site.client(work, host, f"{url}/production")
            for root in (host.root, client):
                root.etc("bashrc", "source /usr/share/portage-ext/bashrc.d/portage-ext.bashrc\n")
            yield Pair(host, client, url, web)
    finally:
        keys.kill_agents(host.key.home)
