"""Attacks on the Release: who may publish, and that time runs one way. Each through real emerge."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.trust import release as release_text
from tests.system.attacks.lab import REPO, Lab, flip
from tests.testkit.keys import SigningKey


def test_an_honest_release_is_installed(lab: Lab) -> None:
    lab.merged("app-misc/hello")
    assert (lab.client.path / "usr/bin/hello").exists()


def test_a_flipped_byte_in_the_release(lab: Lab) -> None:
    flip(lab.directory / "Release")
    lab.refused("BadSignatureError")


@pytest.mark.parametrize("form", ["Packages.zst", "Packages.gz", "Packages"])
def test_a_flipped_byte_in_each_form_of_the_index(lab: Lab, form: str) -> None:
    for better in ("Packages.zst", "Packages.gz", "Packages"):
        if better == form:
            break
        (lab.directory / better).unlink()
    flip(lab.directory / form)
    lab.refused("IndexMismatchError")


@pytest.mark.slow
def test_bytes_behind_the_signed_text(lab: Lab) -> None:
    release = lab.directory / "Release"
    release.write_bytes(release.read_bytes() + b"Index: Packages 1 BLAKE2B 0 SHA512 0\n")
    lab.refused("BadSignatureError")


def test_no_signature(lab: Lab) -> None:
    (lab.directory / "Release.asc").unlink()
    lab.refused("UnsignedError")


@pytest.mark.slow
def test_garbage_for_a_signature(lab: Lab) -> None:
    (lab.directory / "Release.asc").write_bytes(b"-----BEGIN PGP SIGNATURE-----\n\ngarbage\n-----END PGP SIGNATURE-----\n")
    lab.refused("UnsignedError")


@pytest.mark.parametrize("setting", ["required", "optional"])
def test_unsigned_after_signed(lab: Lab, setting: str) -> None:
    lab.remembers()
    lab.settings(setting)
    lab.withdraw_release()
    lab.refused("MissingReleaseError", "app-misc/hello")


@pytest.mark.slow
def test_unsigned_from_the_beginning(lab: Lab) -> None:
    lab.withdraw_release()
    lab.refused("MissingReleaseError")


def test_an_optional_release_that_was_never_there_is_done_without(lab: Lab) -> None:
    lab.settings("optional")
    lab.withdraw_release()
    lab.accepted()


def test_a_lower_version(lab: Lab) -> None:
    old = {name: (lab.directory / name).read_bytes() for name in ("Release", "Release.asc")}
    lab.publish()
    lab.accepted()
    for name, data in old.items():
        (lab.directory / name).write_bytes(data)
    lab.refused("RollbackError", "app-misc/hello")


@pytest.mark.slow
def test_an_equal_version_with_other_content(lab: Lab) -> None:
    lab.remembers()
    lab.publish(version=lab.release().version)
    lab.refused("EquivocationError", "app-misc/hello")


def test_expired(lab: Lab) -> None:
    now = int(time.time())
    lab.publish(created=now - 7200, expires=now - 3600)
    lab.refused("ExpiredReleaseError")


def test_a_clock_far_off(lab: Lab) -> None:
    now = int(time.time())
    lab.publish(created=now + 86400, expires=now + 2 * 86400)
    assert "clock" in lab.refused("ClockError").text


def test_a_far_future_version(lab: Lab) -> None:
    lab.remembers()
    lab.publish(version=limits.MAX_RELEASE_VERSION)
    lab.refused("FarFutureVersionError", "app-misc/hello")


@pytest.mark.slow
def test_the_recovery_from_a_far_future_version(lab: Lab, other_key: SigningKey) -> None:
    lab.publish(version=limits.MAX_RELEASE_VERSION)
    # A host that meets such a version first believes it; the way back is to forget it …
    lab.client.run("portage-ext", "trust", "forget", REPO).ok()
    lab.accepted("app-misc/hello")
    lab.publish(version=9)
    lab.refused("RollbackError", "app-misc/slotted:1")
    lab.client.run("portage-ext", "trust", "forget", REPO).ok()
    lab.accepted("app-misc/slotted:1")
    # … or, when the key was stolen, to take it out.
    lab.publish(version=9 + limits.MAX_VERSION_JUMP)
    lab.accepted("app-misc/slotted:2")
    lab.pin(other_key)
    lab.client.run("portage-ext", "trust", "remove", REPO, "--fingerprint", lab.key.fingerprint).ok()
    lab.publish(other_key, version=10)
    outcome = lab.emerge("--pretend", "app-misc/flags")
    assert "index of lab verified" in outcome.text, outcome


@pytest.mark.slow
def test_release_n_with_index_n_minus_1(lab: Lab) -> None:
    # Of one size in every form: a smaller or larger one would be refused before its digest is looked at.
    index = lab.index()
    stamp = int(index.partition("TIMESTAMP: ")[2].partition("\n")[0])
    dated = (index.replace(f"TIMESTAMP: {stamp}", f"TIMESTAMP: {stamp + seconds}") for seconds in range(10_000))
    known: dict[tuple[int, ...], str] = {}
    for text in dated:
        sizes = tuple(lab.sizes(text).values())
        if sizes in known:
            break
        known[sizes] = text
    old = known[sizes]
    lab.write_index(text)
    lab.publish()
    lab.write_index(old)
    lab.refused("IndexMismatchError")


def test_another_repository_behind_the_same_address(lab: Lab) -> None:
    lab.remembers()
    lab.publish(repository="f" * 32)
    lab.refused("ForeignRepositoryError", "app-misc/hello")


@pytest.mark.slow
def test_another_channel(lab: Lab) -> None:
    lab.remembers()
    lab.publish(channel="staging")
    lab.refused("ForeignRepositoryError", "app-misc/hello")


def test_a_signed_text_that_is_no_release(lab: Lab) -> None:
    lab.write_release(release_text.emit(lab.release()).replace(b"Version: ", b"Version:  "))
    lab.refused("MalformedReleaseError")


def test_keys_rotate_and_the_old_one_is_refused_afterwards(lab: Lab, other_key: SigningKey) -> None:
    lab.remembers()
    (lab.directory / "keys" / f"{other_key.fingerprint}.asc").write_bytes(other_key.public())
    lab.publish(keys_next=(lab.key.fingerprint, other_key.fingerprint))
    lab.accepted("app-misc/hello")
    lab.publish(other_key, keys_next=(other_key.fingerprint,))
    lab.accepted("app-misc/slotted:1")
    lab.publish(lab.key)
    lab.refused("UntrustedKeyError", "app-misc/slotted:2")


def test_a_frozen_mirror_is_used_only_until_its_release_expires(lab: Lab, work: Path) -> None:
    lab.remembers()
    lab.accepted("app-misc/hello")
    # The clock is a mock: nobody waits until a Release has expired.
    (work / "later").mkdir()
    (work / "later/sitecustomize.py").write_text(
        f"import time\nreal = time.time\ntime.time = lambda: real() + {limits.MAX_RELEASE_VALIDITY}\n"
    )
    lab.refused("ExpiredReleaseError", "app-misc/slotted:1", PYTHONPATH=str(work / "later"))
