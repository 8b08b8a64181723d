"""sign, release and trust as commands, in a real system: Portage accepts what they make."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from portage_ext.releases.in_place import current
from portage_ext.trust.keyrings import TrustDirectory
from tests.testkit import environments, httpd, keys
from tests.testkit.binhost import Binhost
from tests.testkit.keys import SigningKey
from tests.testkit.roots import Root

VERIFY = """
import sys
import portage
from portage import gpkg
for path in sys.argv[1:]:
    package = gpkg.gpkg(settings=portage.settings, gpkg_file=path, verify_signature=True)
    package._verify_binpkg()
    assert package.signature_exist
    assert package.get_metadata()["SLOT"]
"""


@pytest.fixture
def key(work: Path) -> Iterator[SigningKey]:
    made = keys.new_key(work / "key")
    yield made
    keys.kill_agents(made.home)


@pytest.fixture
def host(work: Path, binhost: Binhost, key: SigningKey) -> Root:
    """A PKGDIR whose packages carry signatures of an older key."""
    root = Root.create(
        work / "host",
        environments.environment(),
        [binhost.repository],
        BINPKG_GPG_VERIFY_GPG_HOME=str(work / "gnupg"),
        BINPKG_GPG_SIGNING_GPG_HOME=str(key.home),
        BINPKG_GPG_SIGNING_KEY=f"0x{key.fingerprint}",
    )
    keys.trust(work / "gnupg", key)
    shutil.copytree(binhost.pkgdir, root.pkgdir, dirs_exist_ok=True)
    return root


def options(key: SigningKey) -> tuple[str, ...]:
    return ("--key", key.fingerprint, "--homedir", str(key.home))


def test_portage_accepts_what_sign_makes_and_the_index_follows(host: Root, key: SigningKey) -> None:
    packages = sorted(str(path) for path in host.pkgdir.rglob("*.gpkg.tar"))
    first = host.run("portage-ext", "sign", *options(key)).ok()
    assert f"{len(packages)} signed by {key.fingerprint}, 0 valid before, 0 failed" in first.stdout
    host.run("python3", "-c", VERIFY, *packages).ok()
    host.run("gpkg-sign", "--skip-signed", packages[0], FEATURES="binpkg-request-signature").ok()
    assert "up to date" in host.run("portage-ext", "reindex", "--check").ok().stdout
    again = host.run("portage-ext", "sign", *options(key)).ok()
    assert f"0 signed by {key.fingerprint}, {len(packages)} valid before" in again.stdout
    checked = json.loads(host.run("portage-ext", "sign", "--check", "--json", *options(key)).ok().stdout)
    assert checked == {"format": 1, "key": key.fingerprint, "packages": len(packages), "failed": {}, "xpak": []}
    everything = json.loads(host.run("portage-ext", "sign", "--all", "--jobs", "2", "--json", *options(key)).ok().stdout)
    assert (everything["signed"], everything["valid"], everything["left_out"]) == (packages, [], {})


def test_a_tampered_package_is_not_signed_over(host: Root, key: SigningKey) -> None:
    host.run("portage-ext", "sign", *options(key)).ok()
    path = host.pkgdir / "app-misc/flags/flags-2.0-1.gpkg.tar"
    data = path.read_bytes()
    at = data.index(b"DATA gpkg-1 0")
    path.write_bytes(data[:at] + b"DATA gpkg-1 1" + data[at + 13 :])
    before = path.read_bytes()
    failed = host.run("portage-ext", "sign", *options(key)).failed()
    assert "flags-2.0-1.gpkg.tar: not signed" in failed.stderr
    assert path.read_bytes() == before
    index = (host.pkgdir / "Packages").read_text()
    assert "PATH: app-misc/flags/flags-1.0-1.gpkg.tar" in index
    assert "PATH: app-misc/flags/flags-2.0-1.gpkg.tar" not in index


def test_a_release_follows_the_index_and_is_renewed_in_time(host: Root, key: SigningKey) -> None:
    refused = host.run("portage-ext", "release", "sign", *options(key)).failed()
    assert "[weak-digest]" in refused.stderr
    host.run("portage-ext", "sign", *options(key)).ok()
    made = json.loads(host.run("portage-ext", "release", "sign", "--valid-days", "9", "--json", *options(key)).ok().stdout)
    first = current(host.pkgdir)
    assert first is not None
    assert (first.version, first.expires - first.created) == (1, 9 * 86400)
    assert (made["release"], made["expires"], made["channel"]) == (1, first.expires, "production")
    assert "nothing was done" in host.run("portage-ext", "release", "resign", *options(key)).ok().stdout
    fresh = host.run("portage-ext", "release", "resign", "--json", *options(key)).ok()
    assert json.loads(fresh.stdout) == {"format": 1, "release": None}
    host.run("portage-ext", "release", "resign", "--force", "--json", *options(key)).ok()
    second = current(host.pkgdir)
    assert second is not None
    assert (second.version, second.repository, second.files) == (2, first.repository, first.files)
    (host.pkgdir / "app-misc/flags/flags-2.0-1.gpkg.tar").unlink()
    host.run("portage-ext", "reindex").ok()
    assert "the index has changed" in host.run("portage-ext", "release", "resign", *options(key)).failed().stderr
    assert f"Release 2 of {first.repository}/production" in host.run("portage-ext", "release", "show").ok().stdout
    assert json.loads(host.run("portage-ext", "release", "show", "--json").ok().stdout)["release"] == 2


def test_trust_is_added_listed_and_taken_away(work: Path, host: Root, key: SigningKey) -> None:
    public = work / "key.asc"
    public.write_bytes(key.public())
    home = host.path / "etc/portage/gnupg"
    unverified = host.path / "var/cache/edb/binhost/127.0.0.1/Packages"
    unverified.parent.mkdir(parents=True)
    unverified.write_text("TIMESTAMP: 99999999999\nTTL: 99999999\n\n")
    host.run("portage-ext", "trust", "add", "lab", "--fingerprint", key.fingerprint, "--from", str(public)).ok()
    assert not unverified.exists()
    assert TrustDirectory(host.path).pins("lab") == {key.fingerprint}
    assert key.fingerprint in keys.gpg(home, "--with-colons", "--list-keys").decode()
    listed = host.run("portage-ext", "trust", "list").ok().stdout
    assert f"pinned   {key.fingerprint}  Tiny Binhost" in listed
    assert "no Release seen" in listed
    told = json.loads(host.run("portage-ext", "trust", "list", "--json").ok().stdout)
    assert (told["binrepo"], told["pinned"], told["trusted"]) == ("lab", [key.fingerprint], [key.fingerprint])
    nobody = host.run("portage-ext", "trust", "remove", "nosuch").failed()
    assert (nobody.status, nobody.stderr) == (
        1,
        "portage-ext trust: nosuch: no key is pinned for it [not-pinned]. `portage-ext trust list` shows what is pinned.\n",
    )
    host.run("portage-ext", "trust", "add", "second", "--fingerprint", key.fingerprint).ok()
    host.run("portage-ext", "trust", "remove", "lab").ok()
    assert key.fingerprint in keys.gpg(home, "--with-colons", "--list-keys").decode()
    host.run("portage-ext", "trust", "remove", "second", "--fingerprint", key.fingerprint).ok()
    assert key.fingerprint not in keys.gpg(home, "--with-colons", "--list-keys").decode()
    assert TrustDirectory(host.path).binrepos() == []


def test_a_key_may_come_from_a_url_and_no_other_may_come_with_it(work: Path, host: Root, key: SigningKey) -> None:
    other = keys.new_key(work / "other", "Other <other@example.invalid>")
    served = work / "served"
    served.mkdir()
    keys.gpg(key.home, "--import", stdin=other.public())
    (served / "keys.asc").write_bytes(keys.gpg(key.home, "--armor", "--export"))
    (served / "key.asc").write_bytes(key.public())
    keys.kill_agents(other.home)
    with httpd.serve(served) as server:
        source = f"{server.url}/keys.asc"
        both = host.run("portage-ext", "trust", "add", "x", "--fingerprint", key.fingerprint, "--from", source).failed()
        source = f"{server.url}/key.asc"
        host.run("portage-ext", "trust", "add", "lab", "--fingerprint", key.fingerprint, "--from", source).ok()
        absent = host.run("portage-ext", "trust", "add", "x", "--fingerprint", key.fingerprint, "--from", f"{source}x").failed()
    assert other.fingerprint in both.stderr
    assert "[key-file]" in both.stderr
    assert "[not-found]" in absent.stderr
    listing = keys.gpg(host.path / "etc/portage/gnupg", "--with-colons", "--list-keys").decode()
    assert key.fingerprint in listing
    assert other.fingerprint not in listing


@pytest.mark.parametrize(
    ("fingerprint", "why"),
    [("ABCD1234", "not a whole fingerprint"), ("F" * 40, "does not hold"), ("../../x", "not a whole fingerprint")],
)
def test_a_key_that_is_not_the_one_asked_for_is_not_added(
    work: Path, host: Root, key: SigningKey, fingerprint: str, why: str
) -> None:
    public = work / "key.asc"
    public.write_bytes(key.public())
    failed = host.run("portage-ext", "trust", "add", "lab", "--fingerprint", fingerprint, "--from", str(public)).failed()
    assert why in failed.stderr
    assert TrustDirectory(host.path).pins("lab") == frozenset()
