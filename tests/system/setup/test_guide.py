"""What docs/administration.md tells to do for a key that is rotated, lost, and for a binhost that moves: real emerge."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from portage_ext.releases.tree import Tree
from portage_ext.trust.root import ROOT_DIRECTORY
from tests.system.setup.machines import Machine
from tests.testkit import ebuilds, httpd, keys
from tests.testkit.httpd import Server
from tests.testkit.keys import SigningKey
from tests.testkit.offline import Offline

LISTED = "app-misc/* getbinpkg.conf\n"


@pytest.fixture
def served(work: Path) -> Iterator[Server]:
    (work / "srv").mkdir()
    with httpd.serve(work / "srv") as server:
        yield server


@pytest.fixture
def pair(work: Path, served: Server) -> tuple[Machine, Machine, str]:
    """A binhost with one published package, a client, and the URL."""
    repository = ebuilds.standard(work / "repo")
    binhost, client = (Machine.fresh(work / name, repository) for name in ("a", "b"))
    (work / "a/srv").symlink_to(work / "srv")
    url = f"{served.url}/amd64/production"
    binhost.setup("--role", "binhost", "--tree", "/srv/amd64").ok()
    binhost.root.emerge("-1", "--buildpkgonly", "app-misc/hello").ok()
    client.setup("--role", "client", "--binhost", url, "--key", binhost.choice("signing-key")).ok()
    client.root.etc("package.env", LISTED)
    return binhost, client, url


def new_key(home: Path, name: str = "binhost 2027") -> str:
    keys.gpg(home, "--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "never")
    listing = keys.gpg(home, "--with-colons", "--list-secret-keys").decode()
    keys.kill_agents(home)
    return [line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")][-1]


@pytest.mark.slow
def test_key_rotates_and_clients_follow_and_a_lost_one_is_replaced_by_hand(pair: tuple[Machine, Machine, str]) -> None:
    binhost, client, url = pair
    home = binhost.root.path / "var/lib/portage-ext/signing"
    old, new = binhost.choice("signing-key"), new_key(home)
    binhost.root.run("portage-ext", "publish", "--keys-next", old, new).ok()
    client.root.emerge("-p", "app-misc/hello").ok()
    assert f"rotated  {new}" in client.root.run("portage-ext", "trust", "list").ok().stdout
    binhost.setup("--role", "binhost", "--signing-key", new).ok()
    binhost.root.run("portage-ext", "sign").ok()
    binhost.root.run("portage-ext", "publish", "--keys-next", new).ok()
    client.root.emerge("-1", "--fetchonly", "app-misc/hello").ok()
    (fetched,) = client.root.path.rglob("hello-1.1*.gpkg.tar")
    fetched.unlink()
    assert f"retired  {old}" in client.root.run("portage-ext", "trust", "list").ok().stdout

    # Lost: nothing that clients trust can name the next one.
    newer = new_key(home, "binhost 2028")
    binhost.setup("--role", "binhost", "--signing-key", newer).ok()
    binhost.root.run("portage-ext", "sign").ok()
    binhost.root.run("portage-ext", "publish").ok()
    refused = client.root.emerge("-1", "app-misc/hello").failed()
    assert newer in refused.text
    assert client.root.installed() == set()
    client.root.run("portage-ext", "trust", "remove", "binhost").ok()
    client.root.run("portage-ext", "trust", "add", "binhost", "--fingerprint", newer, "--from", f"{url}/keys/{newer}.asc").ok()
    client.root.emerge("-1", "app-misc/hello").ok()
    assert client.root.installed() == {"app-misc/hello-1.1"}
    assert client.root.merged() == {"app-misc/hello-1.1": "binary"}
    for machine in (client, binhost):
        machine.setup("--uninstall", "--purge").ok()
    assert {path for path in binhost.differences() if not path.startswith("srv")} == set()


@pytest.fixture
def offline(work: Path) -> Iterator[Offline]:
    made = Offline.create(work, "one", "two", "three")
    yield made
    keys.kill_agents(made.home)


def test_a_client_is_set_up_with_the_keys_of_an_offline_root(work: Path, served: Server, offline: Offline) -> None:
    repository = ebuilds.standard(work / "repo")
    binhost, client = (Machine.fresh(work / name, repository) for name in ("a", "c"))
    (work / "a/srv").symlink_to(work / "srv")
    binhost.setup("--role", "binhost", "--tree", "/srv/amd64").ok()
    binhost.root.emerge("-1", "--buildpkgonly", "app-misc/flags").ok()
    key = SigningKey(binhost.root.path / "var/lib/portage-ext/signing", binhost.choice("signing-key"))
    offline.init("one two three", 2, key, more=("--repository", Tree(work / "srv/amd64").release(1).repository))
    binhost.root.run("portage-ext", "root", "publish", str(offline.directory)).ok()
    told = ("--binhost", f"{served.url}/amd64/production", "--root-keys", ",".join(offline.roots.values()))
    assert "verified: Release 1 of" in client.setup("--role", "client", *told, "--root-threshold", "2").ok().stdout
    assert client.setup("--status").ok()
    client.setup("--uninstall", "--purge").ok()
    assert client.differences() == set()
    binhost.setup("--uninstall", "--purge").ok()
    assert not (work / "srv/amd64/root").exists()


@pytest.mark.slow
def test_an_offline_root_replaces_a_stolen_key_and_every_client_follows(
    pair: tuple[Machine, Machine, str], offline: Offline, work: Path
) -> None:
    binhost, client, url = pair
    home = binhost.root.path / "var/lib/portage-ext/signing"
    old, tree = SigningKey(home, binhost.choice("signing-key")), Tree(work / "srv/amd64")
    offline.init("one two three", 2, old, more=("--repository", tree.release(1).repository))
    binhost.root.run("portage-ext", "root", "publish", str(offline.directory)).ok()
    chosen = tuple(offline.roots.values())
    fresh = Machine.fresh(work / "c", binhost.root.repositories[0])
    told = ("--binhost", url, "--root-keys", ",".join(chosen), "--root-threshold", "2")
    assert "verified: Release 1 of" in fresh.setup("--role", "client", *told).ok().stdout
    listed = fresh.root.etc("package.env", LISTED)
    # A client that had the one key is visited once.
    place = f"{url}/{ROOT_DIRECTORY}/keys/"
    client.root.run(
        *("portage-ext", "trust", "add", "binhost", "--root-key", *chosen, "--threshold", "2", "--from", place)
    ).ok()
    client.root.emerge("-p", "app-misc/hello").ok()

    new = new_key(home)
    offline.next("--least-release", "2", released=(SigningKey(home, new),))
    assert "clients refuse release 1" in binhost.root.run("portage-ext", "root", "publish", str(offline.directory)).ok().stdout
    refused = binhost.root.run("portage-ext", "publish", "--renew").failed()
    assert "[undelegated-key]" in refused.text
    for machine in (client, fresh):
        assert old.fingerprint[-16:] in machine.root.emerge("-1", "app-misc/hello").failed().text
    binhost.setup("--role", "binhost", "--signing-key", new).ok()
    binhost.root.run("portage-ext", "sign").ok()
    binhost.root.run("portage-ext", "publish").ok()
    for machine in (client, fresh):
        machine.root.emerge("-1", "app-misc/hello").ok()
        assert machine.root.merged() == {"app-misc/hello-1.1": "binary"}
        machine.root.emerge("-C", "app-misc/hello").ok()
    assert fresh.setup("--status").ok()

    # And back to one pinned key.
    client.root.run("portage-ext", "trust", "remove", "binhost").ok()
    client.root.run("portage-ext", "trust", "add", "binhost", "--fingerprint", new, "--from", f"{url}/keys/{new}.asc").ok()
    client.root.emerge("-1", "app-misc/hello").ok()
    listed.unlink()
    fresh.setup("--uninstall", "--purge").ok()
    assert fresh.differences() == set()
    binhost.setup("--uninstall", "--purge").ok()
    assert not (work / "srv/amd64/root").exists()


@pytest.mark.slow
def test_binhost_moves_and_clients_go_on(pair: tuple[Machine, Machine, str], work: Path) -> None:
    binhost, client, _ = pair
    client.root.emerge("-p", "app-misc/hello").ok()
    moved = Machine.fresh(work / "m", binhost.root.repositories[0])
    for name in ("var/cache/binpkgs", "srv/amd64", "var/lib/portage-ext/signing"):
        shutil.copytree(
            binhost.root.path / name,
            moved.root.path / name,
            symlinks=True,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("S.*"),
        )
    home = moved.root.path / "var/lib/portage-ext/signing"
    key = binhost.choice("signing-key")
    told = ("--signing-key", key, "--signing-home", str(home), "--tree", "/srv/amd64")
    moved.setup("--role", "binhost", *told).ok()
    built = moved.root.emerge("-1", "--buildpkgonly", "app-misc/flags").ok()
    assert "published as release 2 of production" in built.text
    with httpd.serve(moved.root.path / "srv") as server:
        client.setup("--role", "client", "--binhost", f"{server.url}/amd64/production").ok()
        client.root.emerge("-1", "app-misc/flags").ok()
    assert client.root.merged() == {"app-misc/flags-2.0": "binary"}
    keys.kill_agents(home)
