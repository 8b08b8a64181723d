"""A new glibc reaches clients before the programs that need it, so that those start also on a client with Portage alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testkit import chain as kit
from tests.testkit import environments, httpd, keys
from tests.testkit.chain import Chain, broken, run_program
from tests.testkit.keys import SigningKey
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

OLD = ("glibc-2.38", "coreutils-9.3", "foo-1")
NEW = ("glibc-2.39", "coreutils-9.4", "foo-2")
SETTINGS = """
[publish]
tree = "{tree}"
into = "production"
gates = ["index", "contracts"]

[binhost]
after-emerge = "publish"

[sign]
homedir = "{home}"
"""


class Publishing:
    """A binhost whose PKGDIR has what ``build`` put there."""

    def __init__(self, work: Path, chain: Chain, key: SigningKey) -> None:
        self.chain, self.tree = chain, work / "tree"
        gnupg = work / "gnupg"
        keys.trust(gnupg, key)
        self.root = Root.create(
            work / "host", environments.environment(), [chain.repository], BINPKG_GPG_VERIFY_GPG_HOME=str(gnupg)
        )
        self.root.etc("portage-ext.toml", SETTINGS.format(tree=self.tree, home=key.home))

    def build(self, names: tuple[str, ...]) -> None:
        for name in names:
            for found in self.chain.pkgdir.glob(f"*/*/{name}-*.gpkg.tar"):
                target = self.root.pkgdir / found.relative_to(self.chain.pkgdir)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, target)
        self.root.run("portage-ext", "sign").ok()

    def publish(self, *options: str) -> Outcome:
        return self.root.run("portage-ext", "publish", *options).ok()

    def a_day_later(self) -> None:
        """Have the channel as it is when the wait is over."""
        note = self.tree / "production/.release.json"
        values = json.loads(note.read_bytes())
        values["arrived"] = {name: since - 86400 for name, since in values["arrived"].items()}
        values["waiting"]["until"] -= 86400
        note.write_text(json.dumps(values))

    def served(self) -> set[str]:
        text = (self.tree / "production/Packages").read_text()
        return {line.partition("/")[2] for line in text.splitlines() if line.startswith("CPV: ")}


@pytest.fixture
def binhost(work: Path, chain: Chain) -> Iterator[Publishing]:
    key = keys.new_key(work / "key")
    try:
        yield Publishing(work, chain, key)
    finally:
        keys.kill_agents(key.home)


def update(client: Root, *names: str) -> None:
    client.emerge("--getbinpkgonly", "--oneshot", "--update", *names).ok()


def test_each_update_of_a_client_with_portage_alone_leaves_every_program_running(
    work: Path, chain: Chain, binhost: Publishing
) -> None:
    binhost.build(OLD)
    binhost.publish()
    binhost.build(NEW)
    said = binhost.publish().stdout
    assert "production: 2 packages (such as " in said, said
    assert "so that clients first get sys-libs/glibc-2.39" in said, said
    assert binhost.served() == {*OLD, "glibc-2.39"}
    assert "wait until" in binhost.root.run("portage-ext", "releases").ok().stdout
    (channel,) = json.loads(binhost.root.run("portage-ext", "status", "--json").ok().stdout)["channels"]
    assert "wait until" in channel["waiting"], channel
    with httpd.serve(binhost.tree) as server:
        client = kit.client(work / "c", chain, f"{server.url}/production", plugin=False)
        # Only the program, and so not glibc, which it does not say that it needs.
        update(client, "sys-apps/coreutils")
        assert client.merged() == {}
        update(client, "sys-libs/glibc")
        binhost.a_day_later()
        said = binhost.root.run("portage-ext", "after-emerge", "--pending").ok().text
        assert "published as release 3 of production" in said, said
        assert binhost.served() == {*OLD, *NEW}
        update(client, "sys-apps/coreutils")
    assert client.merged() == {"sys-libs/glibc-2.39": "binary", "sys-apps/coreutils-9.4": "binary"}
    assert broken(client) == []
    assert run_program(client, "coreutils").ok().stdout == "coreutils-9.4\n"


@pytest.mark.slow
def test_without_the_wait_the_same_update_breaks_a_program(work: Path, chain: Chain, binhost: Publishing) -> None:
    binhost.build(OLD)
    binhost.publish()
    binhost.build(NEW)
    binhost.publish("--all-at-once")
    assert binhost.served() == {*OLD, *NEW}
    with httpd.serve(binhost.tree) as server:
        client = kit.client(work / "c", chain, f"{server.url}/production", plugin=False)
        update(client, "sys-apps/coreutils")
    assert run_program(client, "coreutils").status != 0, "what the wait prevents"
