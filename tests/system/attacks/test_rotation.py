"""A stolen key announces keys of the thief's; the administrator takes the stolen key out. Through real emerge and real gpg."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.gpkg.sign import sign_package
from portage_ext.trust.keyrings import TrustDirectory
from portage_ext.trust.memory import StateDirectory
from portage_ext.trust.signer import GpgSigner
from portage_ext.trust.signer import SigningKey as Signing
from tests.system.attacks.lab import REPO, Lab, binrepo
from tests.system.attacks.test_index import reindexed
from tests.testkit import httpd, keys
from tests.testkit.keys import SigningKey

FLAGS = "app-misc/flags-2.0"


@pytest.fixture
def new_key(work: Path) -> Iterator[SigningKey]:
    """What the honest binhost signs with after the theft."""
    key = keys.new_key(work / "new", "New Binhost <new@example.invalid>")
    yield key
    keys.kill_agents(key.home)


@pytest.fixture
def stolen(lab: Lab, other_key: SigningKey) -> Lab:
    """A client that has followed the thief: the pinned key announced ``other_key``, which then signed a version far ahead."""
    (lab.directory / "keys" / f"{other_key.fingerprint}.asc").write_bytes(other_key.public())
    lab.publish(keys_next=(lab.key.fingerprint, other_key.fingerprint))
    lab.accepted("app-misc/hello")
    lab.publish(other_key, version=limits.MAX_VERSION_JUMP)
    lab.accepted("app-misc/slotted:1")
    assert other_key.fingerprint in in_portage(lab)
    return lab


def in_portage(lab: Lab) -> str:
    return keys.gpg(lab.client.path / "etc/portage/gnupg", "--with-colons", "--list-keys").decode()


def remove(lab: Lab, key: SigningKey) -> str:
    return lab.client.run("portage-ext", "trust", "remove", REPO, "--fingerprint", key.fingerprint).ok().text


@pytest.mark.slow
def test_what_a_removed_key_announced_goes_with_it(stolen: Lab, other_key: SigningKey, new_key: SigningKey, work: Path) -> None:
    state = StateDirectory(stolen.client.path, REPO)
    assert state.keyring_file.exists()
    stolen.pin(new_key)
    said = remove(stolen, stolen.key)
    assert f"no longer believed, because these keys announced them: {other_key.fingerprint}" in said
    assert not state.keyring_file.exists()
    assert other_key.fingerprint not in in_portage(stolen)
    assert new_key.fingerprint in in_portage(stolen)
    stolen.publish(other_key, version=limits.MAX_VERSION_JUMP + 1)
    stolen.refused("UnknownKeyError")
    # The version that the thief published binds no more, and no honest Release brings the stolen key back.
    for version in (7, 8):
        stolen.publish(new_key, version=version, keys_next=(stolen.key.fingerprint, new_key.fingerprint))
        stolen.emerge("--pretend", "app-misc/flags").ok()
    stolen.publish(stolen.key, version=9)
    stolen.refused("UnknownKeyError")
    # Nor does Portage by itself take what the thief has signed.
    directory = work / "plain"
    shutil.copytree(stolen.directory, directory)
    with httpd.serve(directory) as server:
        plain = replace(stolen, directory=directory, url=server.url)
        plain.withdraw_release()
        sign_package(plain.package(FLAGS), GpgSigner(Signing(other_key.fingerprint, other_key.fingerprint), other_key.home))
        reindexed(plain, FLAGS)
        shutil.rmtree(stolen.client.path / "etc/portage/binrepos.conf")
        stolen.client.etc("binrepos.conf/plain.conf", binrepo(stolen.client, "plain", plain.url))
        outcome = stolen.emerge("app-misc/flags").failed()
        assert FLAGS not in stolen.client.installed(), outcome


@pytest.mark.slow
def test_pins_that_are_changed_by_hand_mean_the_same(stolen: Lab, other_key: SigningKey, new_key: SigningKey) -> None:
    stolen.pin(new_key)
    TrustDirectory(stolen.client.path).pins_file(REPO).write_text(f"{new_key.fingerprint}\n")
    stolen.publish(other_key, version=limits.MAX_VERSION_JUMP + 1)
    stolen.refused("UntrustedKeyError")


@pytest.mark.slow
def test_the_index_of_a_removed_key_is_not_used_when_no_mirror_is_reached(stolen: Lab, new_key: SigningKey) -> None:
    stolen.pin(new_key)
    TrustDirectory(stolen.client.path).pins_file(REPO).write_text(f"{new_key.fingerprint}\n")
    conf = stolen.client.path / f"etc/portage/binrepos.conf/{REPO}.conf"
    conf.write_text(conf.read_text().replace(stolen.url, "http://127.0.0.1:1"))
    assert "is used again" not in stolen.refused("MirrorError", "--pretend", "app-misc/flags").text


def test_a_stolen_key_that_came_by_rotation_can_be_taken_out(stolen: Lab, other_key: SigningKey) -> None:
    said = remove(stolen, other_key)
    assert other_key.fingerprint not in in_portage(stolen), said
    stolen.publish(other_key, version=limits.MAX_VERSION_JUMP + 1)
    stolen.refused("UnknownKeyError")
    stolen.publish(version=7, keys_next=(stolen.key.fingerprint, other_key.fingerprint))
    stolen.accepted("app-misc/flags")
    stolen.publish(other_key, version=8)
    stolen.refused("UnknownKeyError", "app-misc/slotted:2")


@pytest.mark.slow
def test_a_key_that_another_binrepo_believes_stays_with_portage(stolen: Lab, other_key: SigningKey) -> None:
    stolen.pin(other_key, "second")
    assert other_key.fingerprint in remove(stolen, stolen.key)
    assert other_key.fingerprint in in_portage(stolen)
    assert stolen.key.fingerprint not in in_portage(stolen)


@pytest.mark.slow
def test_a_rotated_key_that_is_pinned_stays(stolen: Lab, other_key: SigningKey) -> None:
    stolen.pin(other_key)
    assert "by rotation" not in remove(stolen, stolen.key)
    stolen.publish(other_key, version=limits.MAX_VERSION_JUMP + 1)
    assert "index of lab verified" in stolen.emerge("--pretend", "app-misc/flags").ok().text
    stolen.publish(stolen.key, version=limits.MAX_VERSION_JUMP + 2)
    stolen.refused("UnknownKeyError", "app-misc/slotted:2")


@pytest.mark.slow
def test_a_key_that_was_unpinned_by_hand_can_be_removed_with_what_it_announced(
    stolen: Lab, other_key: SigningKey, new_key: SigningKey
) -> None:
    stolen.pin(new_key)
    TrustDirectory(stolen.client.path).pins_file(REPO).write_text(f"{new_key.fingerprint}\n")
    # A damaged keyring keeps nobody from it.
    StateDirectory(stolen.client.path, REPO).keyring_file.write_bytes(b"damaged")
    assert other_key.fingerprint in remove(stolen, stolen.key)
    assert other_key.fingerprint not in in_portage(stolen)
    assert stolen.key.fingerprint not in in_portage(stolen)
    assert not StateDirectory(stolen.client.path, REPO).keyring_file.exists()
