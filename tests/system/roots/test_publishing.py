"""A tree with an offline root, by real gpg: what clients would refuse is not published, and each release leads to the roots."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from portage_ext.errors.releases import TreeError
from portage_ext.errors.trust import (
    EquivocationError,
    ExpiredRootError,
    ForeignRepositoryError,
    GpgError,
    KeyFileError,
    MissingRootError,
    RootRollbackError,
    ThresholdError,
    TrustError,
    UndelegatedKeyError,
    UntrustedKeyError,
)
from portage_ext.releases import roots
from portage_ext.releases.made import Terms
from portage_ext.releases.mirror import Mirror
from portage_ext.releases.publish import Publisher
from portage_ext.releases.tree import Tree, checked_channel
from portage_ext.trust import root as root_text
from portage_ext.trust.signer import GpgSigner
from portage_ext.trust.signer import SigningKey as Signing
from tests.system.roots.conftest import Made
from tests.testkit import keys
from tests.testkit.keys import SigningKey
from tests.testkit.offline import QUICK, Offline
from tests.unit.releases.published import Pkgdir, Site, snapshot

DAY = 86400


@pytest.fixture
def offline(work: Path, made: Made) -> Iterator[Offline]:
    mine = made.both.copied(work)
    yield mine
    keys.kill_agents(mine.home)


class Now:
    """The clock of this machine, or some seconds beside it."""

    def __init__(self) -> None:
        self.now = int(time.time())

    def __call__(self) -> float:
        return self.now


def publishing(work: Path, key: SigningKey) -> Site:
    """A PKGDIR with one package, and a tree that is published with ``key``."""
    (work / "binpkgs").mkdir(exist_ok=True)
    clock, tree, pkgdir = Now(), Tree(work / "tree"), Pkgdir(work / "binpkgs")
    pkgdir.add("app-misc/foo-1")
    return Site(pkgdir, tree, clock, publisher(tree, key, clock))  # type: ignore[arg-type]


def publisher(tree: Tree, key: SigningKey, clock: Now) -> Publisher:
    signer = GpgSigner(Signing(key.fingerprint, key.fingerprint), key.home)
    return Publisher(tree, signer.sign_release, Terms(30 * DAY, 3600), signing=signer.primaries, clock=clock)


def give(offline: Offline, tree: Tree) -> None:
    """What `portage-ext root publish` does."""
    known = tree.known()
    with tree.locked():
        roots.publish(offline.directory, tree.root, int(time.time()), known[max(known)].repository if known else None)
        for number in known:
            tree.link_root(tree.directory(number))


def test_a_root_key_with_an_expiry_is_refused_and_one_that_has_expired_can_be_prolonged(
    offline: Offline, released: SigningKey
) -> None:
    old = keys.expired_key(offline.home, "Eve <eve@example.invalid>")
    fingerprint, directory = old.fingerprint, str(offline.directory)
    offline.knows(released)
    words = ("init", directory, "--homedir", str(offline.home), "--release-key", released.fingerprint, "--root-key")
    said = offline.run(*words, fingerprint, ok=False)
    assert said.returncode
    assert "has expired; its owner can prolong it" in said.stderr
    keys.gpg(offline.home, *QUICK, "--quick-set-expire", fingerprint, "1y")
    said = offline.run(*words, fingerprint, ok=False)
    assert said.returncode
    assert "[expiring-root-key]" in said.stderr
    assert "--quick-set-expire" in said.stderr
    assert roots.versions(offline.directory) == []
    keys.gpg(offline.home, *QUICK, "--quick-set-expire", fingerprint, "never")
    offline.run(*words, fingerprint)
    offline.sign()
    assert roots.chain(offline.directory).root.version == 1


def test_the_public_keys_of_a_directory_follow_gpgs(work: Path, offline: Offline, released: SigningKey) -> None:
    old = keys.expired_key(work / "old")
    try:
        expired = keys.gpg(old.home, "--export")
        offline.init("ann", 1, released)
        offline.roots["old"] = old.fingerprint
        keys.prolong(old)
        keys.gpg(offline.home, *QUICK, "--import", stdin=keys.gpg(old.home, *QUICK, "--export-secret-keys"))
    finally:
        keys.kill_agents(old.home)
    offline.next(roots="old", signers="ann old")
    # As it is where a root was made while the key had an expiry.
    (offline.directory / "keys" / f"{old.fingerprint}.asc").write_bytes(expired)
    with pytest.raises(KeyFileError):
        roots.chain(offline.directory)
    offline.next()
    assert roots.chain(offline.directory).root.version == 3


def test_the_first_release_is_of_the_repository_that_the_root_names_and_leads_to_it(
    work: Path, offline: Offline, released: SigningKey
) -> None:
    made = publishing(work, released)
    offline.init("ann bob", 2, released, more=("--repository", "mine", "--least-release", "40"))
    give(offline, made.tree)
    made.publish()
    live = made.served()
    assert made.tree.release(40).repository == "mine"
    assert os.readlink(live / "root") == "../../root"
    assert (live / "root/1").read_bytes() == (offline.directory / "1").read_bytes()
    assert roots.accepts(offline.last(), made.tree.root, live, 40)
    assert not roots.accepts(replace(offline.last(), least_release=41), made.tree.root, live, 40)


def test_a_gpg_that_cannot_be_run_is_no_refusal(
    work: Path, offline: Offline, released: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = publishing(work, released)
    offline.init("ann bob", 2, released)
    give(offline, made.tree)
    made.publish()
    live = made.served()
    assert roots.accepts(offline.last(), made.tree.root, live, 1)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", str(work))
        with pytest.raises(GpgError):
            roots.accepts(offline.last(), made.tree.root, live, 1)


def test_releases_that_were_there_before_lead_to_a_root_too_and_go_without_harm(
    work: Path, offline: Offline, released: SigningKey
) -> None:
    made = publishing(work, released)
    made.publish()
    assert not os.path.lexists(made.served() / "root")
    offline.init("ann", 1, released, more=("--repository", made.tree.release(1).repository))
    give(offline, made.tree)
    assert (made.served() / "root/1").is_file()
    made.pkgdir.add("app-misc/foo-2")
    made.publish()
    made.tree.remove(1)
    assert (made.served() / "root/1").is_file()


def test_a_key_that_the_root_does_not_name_publishes_nothing(
    work: Path, offline: Offline, released: SigningKey, second: SigningKey
) -> None:
    made = publishing(work, second)
    offline.init("ann", 1, released)
    give(offline, made.tree)
    with pytest.raises(UndelegatedKeyError):
        made.publish()
    assert made.tree.channels() == {}


def test_too_few_signatures_an_expired_root_and_another_repository_publish_nothing(
    work: Path, offline: Offline, released: SigningKey, second: SigningKey
) -> None:
    made = publishing(work, released)
    offline.init("ann", 1, released, second, more=("--release-threshold", "2", "--valid-days", "10"))
    give(offline, made.tree)
    with pytest.raises(ThresholdError):
        made.publish()
    made.clock.now += 11 * DAY
    with pytest.raises(ExpiredRootError):
        made.publish()
    root = offline.last()
    for repository, version in (("other", 5), (root.repository, 0)):
        with pytest.raises(TrustError):
            roots.check_release(root, "tree", repository, version, [released.fingerprint], root.created)


def test_what_a_revoked_key_signed_is_made_again_although_nothing_else_is_different(
    work: Path, offline: Offline, released: SigningKey, second: SigningKey
) -> None:
    made = publishing(work, released)
    offline.init("ann", 1, released)
    give(offline, made.tree)
    made.publish()
    offline.next(released=(second,))
    give(offline, made.tree)
    made.publisher = publisher(made.tree, second, made.clock)  # type: ignore[arg-type]
    made.publish()
    assert made.tree.channels() == {"production": 2}
    made.publish()
    assert made.tree.channels() == {"production": 2}


def test_a_channel_cannot_be_called_root() -> None:
    with pytest.raises(TreeError):
        checked_channel("root")


def test_a_root_is_published_after_what_clients_hold_it_to(work: Path, offline: Offline, released: SigningKey) -> None:
    tree = Tree(work / "tree")
    now = int(time.time())
    with pytest.raises(MissingRootError):
        give(offline, tree)
    offline.init("ann bob", 2, released)
    first = offline.last()
    give(offline, tree)
    refusals: list[tuple[type[TrustError], object, str]] = [
        (ThresholdError, replace(first, version=2), "ann"),
        (UntrustedKeyError, replace(first, version=2, root_keys=(offline.another("cyd"),), root_threshold=1), "ann bob"),
        (ExpiredRootError, replace(first, version=2, created=now - 200, expires=now - 100), "ann bob"),
        (ForeignRepositoryError, replace(first, version=2, repository="other"), "ann bob"),
    ]
    for error, root, signers in refusals:
        offline.forge(root, signers)  # type: ignore[arg-type]
        with pytest.raises(error):
            give(offline, tree)
    assert roots.versions(tree.root / "root") == [1]
    offline.forge(replace(first, version=2), "ann bob")
    give(offline, tree)
    assert roots.versions(tree.root / "root") == [1, 2]


def test_a_root_is_not_taken_back_and_not_changed(work: Path, offline: Offline, released: SigningKey) -> None:
    tree = Tree(work / "tree")
    offline.init("ann bob", 1, released)
    give(offline, tree)
    kept = work / "kept"
    shutil.copytree(offline.directory, kept)
    offline.next()
    give(offline, tree)
    before = snapshot(tree.root)
    shutil.rmtree(offline.directory)
    shutil.copytree(kept, offline.directory)
    with pytest.raises(RootRollbackError):
        give(offline, tree)
    offline.next("--valid-days", "9")
    with pytest.raises(EquivocationError):
        give(offline, tree)
    (offline.directory / "1").unlink()
    with pytest.raises(MissingRootError):
        give(offline, tree)
    assert snapshot(tree.root) == before


def test_a_root_whose_keys_are_not_there_is_not_published(work: Path, offline: Offline, released: SigningKey) -> None:
    offline.init("ann", 1, released)
    (offline.directory / f"keys/{released.fingerprint}.asc").unlink()
    with pytest.raises(MissingRootError):
        give(offline, Tree(work / "tree"))


def test_of_the_keys_beside_a_root_only_the_public_ones_that_it_names_are_published(
    work: Path, offline: Offline, released: SigningKey, second: SigningKey
) -> None:
    offline.init("ann", 1, released)
    secret = keys.gpg(offline.home, *QUICK, "--armor", "--export-secret-keys", offline.roots["ann"])
    path = offline.directory / root_text.key_name(offline.roots["ann"])
    path.write_bytes(offline.public("ann") + secret)
    (offline.directory / root_text.ROOT_KEYS / "backup.asc").write_bytes(secret)
    named = offline.directory / root_text.key_name(released.fingerprint)
    whole = named.read_bytes()
    named.write_bytes(second.public())
    with pytest.raises(KeyFileError):
        roots.publish(offline.directory, work / "tree", int(time.time()), None)
    assert not (work / "tree").exists()
    named.write_bytes(whole)
    roots.publish(offline.directory, work / "tree", int(time.time()), None)
    there = list((work / "tree/root/keys").iterdir())
    assert {one.name for one in there} == {f"{key}.asc" for key in (offline.roots["ann"], released.fingerprint)}
    assert not any(b"PRIVATE" in one.read_bytes() for one in there)


def test_roots_are_made_and_signed_step_by_step(offline: Offline, released: SigningKey) -> None:
    place = str(offline.directory)
    home = ("--homedir", str(offline.home))
    offline.knows(released)
    both = (offline.roots["ann"], offline.roots["bob"])
    words = ("init", place, *home, "--root-key", *both, "--release-key", released.fingerprint)
    assert "--root-threshold" in offline.run(*words, ok=False).stderr
    offline.run(*words, "--root-threshold", "2")
    assert offline.run("show", place, ok=False).returncode == 1
    assert offline.run("next", place, *home, ok=False).returncode != 0
    offline.sign("ann")
    assert "1 did" in offline.run("show", place, ok=False).stdout
    offline.sign("bob")
    offline.sign("bob")
    assert (offline.directory / "1.asc").read_text().count("BEGIN PGP SIGNATURE") == 2
    assert "clients will accept it" in offline.run("show", place).stdout
    assert offline.run(*words, "--root-threshold", "2", ok=False).returncode != 0
    # A root that is not signed yet is a draft: made again, it loses what signatures it has.
    offline.next("--valid-days", "20", signers="ann")
    offline.next("--valid-days", "30")
    last = offline.last()
    assert (last.version, (last.expires - last.created) // DAY) == (2, 30)
    assert offline.run("next", place, *home, "--least-release", "9").returncode == 0
    offline.sign()
    assert offline.run("next", place, *home, "--least-release", "8", ok=False).returncode != 0


def test_a_root_names_no_key_twice_over(offline: Offline, released: SigningKey) -> None:
    ann = offline.roots["ann"]
    words = ("init", str(offline.directory), "--homedir", str(offline.home), "--root-key", ann, "--release-key", ann)
    assert "is not offline" in offline.run(*words, ok=False).stderr
    assert not roots.versions(offline.directory)


@pytest.mark.skipif(shutil.which("rsync") is None, reason="needs rsync")
def test_a_mirror_gets_a_root_that_revokes_also_without_a_release(
    work: Path, offline: Offline, released: SigningKey, second: SigningKey
) -> None:
    made = publishing(work, released)
    made.publish()
    mirror = Mirror("eu", str(work / "mirror"), made.tree)
    mirror.push()
    offline.init("ann", 1, released, more=("--repository", made.tree.release(1).repository))
    give(offline, made.tree)
    assert mirror.push().sent == ()
    assert snapshot(work / "mirror/root") == snapshot(made.tree.root / "root")
    assert (work / "mirror/production/root/1").is_file()
    offline.next(released=(released, second))
    give(offline, made.tree)
    made.pkgdir.add("app-misc/foo-2")
    made.publish()
    assert mirror.push().sent == (2,)
    assert (work / "mirror/production/root/2").is_file()
    assert os.readlink(work / "mirror/releases/2/root") == "../../root"
    made.tree.remove(1)
    assert mirror.push().removed == (1,)
    assert roots.versions(work / "mirror/root") == [1, 2]
