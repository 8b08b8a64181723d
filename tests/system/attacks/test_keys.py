"""Attacks with keys: unknown, untrusted, expired, revoked, another binrepo's. Each through real emerge and real gpg."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portage_ext.trust import release as release_text
from tests.system.attacks.lab import Lab
from tests.testkit import keys
from tests.testkit.keys import SigningKey

QUICK = ("--pinentry-mode", "loopback", "--passphrase", "")


@pytest.fixture
def home(work: Path) -> Iterator[Path]:
    """An empty gpg home."""
    path = work / "k"
    path.mkdir(mode=0o700)
    (path / "gpg-agent.conf").write_text(keys.AGENT)
    yield path
    keys.kill_agents(path)


def generate(home: Path, expires: str, *options: str, user_id: str = "Expiring <e@example.invalid>") -> SigningKey:
    keys.gpg(home, *QUICK, *options, "--quick-generate-key", user_id, "ed25519", "sign", expires)
    listing = keys.gpg(home, "--with-colons", "--list-secret-keys").decode()
    return SigningKey(home, next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")))


def days_ago(days: int) -> str:
    """A time for --faked-system-time, from which the clock runs on."""
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime(time.time() - days * 86400))


def sign_at(lab: Lab, home: Path, *options: str) -> None:
    """Sign the Release by hand, with gpg's ``options``."""
    data = release_text.emit(lab.release())
    (lab.directory / "Release").write_bytes(data)
    signature = keys.gpg(home, *QUICK, "--armor", "--digest-algo", "SHA512", *options, "--detach-sign", stdin=data)
    (lab.directory / "Release.asc").write_bytes(signature)


def pin_as_is(lab: Lab, home: Path, fingerprint: str) -> None:
    """Write pin and keyring directly: `trust add` itself refuses keys that are expired or revoked."""
    directory = lab.client.path / "etc/portage/portage-ext/trust"
    (directory / "lab.pins").write_text(f"{fingerprint}\n")
    (directory / "lab.gpg").write_bytes(keys.gpg(home, "--export"))


def test_an_unknown_key(lab: Lab, other_key: SigningKey) -> None:
    lab.publish(other_key)
    lab.refused("UnknownKeyError")


def test_a_key_that_is_present_but_not_trusted_is_named(lab: Lab, other_key: SigningKey) -> None:
    keys.gpg(lab.client.path / "etc/portage/gnupg", "--import", stdin=other_key.public())
    lab.publish(other_key)
    assert other_key.fingerprint in lab.refused("UntrustedKeyError").text


@pytest.mark.slow
def test_the_key_of_another_binrepo(lab: Lab, other_key: SigningKey) -> None:
    lab.pin(other_key, "other")
    lab.publish(other_key)
    assert other_key.fingerprint in lab.refused("UntrustedKeyError").text


def test_a_pinned_key_that_expired_after_signing(lab: Lab, home: Path) -> None:
    key = generate(home, "5d", "--faked-system-time", days_ago(10))
    # Not within the time that gpg took to make the key: a signature that is older than its key is none.
    sign_at(lab, home, "--faked-system-time", days_ago(9))
    pin_as_is(lab, home, key.fingerprint)
    lab.refused("ExpiredKeyError")


@pytest.mark.slow
def test_a_pinned_key_that_expired_before_signing(lab: Lab, home: Path) -> None:
    # gpg refuses to sign with an expired key, so the expiry is set afterwards to a day before the signature.
    key = generate(home, "never", "--faked-system-time", days_ago(10))
    sign_at(lab, home)
    keys.gpg(home, *QUICK, "--faked-system-time", days_ago(9), "--quick-set-expire", key.fingerprint, "5d")
    pin_as_is(lab, home, key.fingerprint)
    lab.refused("ExpiredKeyError")


def test_a_revoked_key(lab: Lab, home: Path) -> None:
    key = generate(home, "never")
    sign_at(lab, home)
    revocation = (home / "openpgp-revocs.d" / f"{key.fingerprint}.rev").read_text().replace(":-----BEGIN", "-----BEGIN")
    keys.gpg(home, "--import", stdin=revocation.encode())
    pin_as_is(lab, home, key.fingerprint)
    lab.refused("RevokedKeyError")


def test_a_subkey_signs_for_its_primary_key(lab: Lab, home: Path) -> None:
    key = generate(home, "never")
    keys.gpg(home, *QUICK, "--quick-add-key", key.fingerprint, "ed25519", "sign", "never")
    listing = keys.gpg(home, "--with-colons", "--list-keys").decode().splitlines()
    subkey = [line.split(":")[9] for line in listing if line.startswith("fpr:")][1]
    sign_at(lab, home, "--local-user", f"{subkey}!")
    lab.pin(key)
    lab.accepted()


def test_a_subkey_cannot_be_pinned(lab: Lab, home: Path) -> None:
    key = generate(home, "never")
    keys.gpg(home, *QUICK, "--quick-add-key", key.fingerprint, "ed25519", "sign", "never")
    listing = keys.gpg(home, "--with-colons", "--list-keys").decode().splitlines()
    subkey = [line.split(":")[9] for line in listing if line.startswith("fpr:")][1]
    file = lab.client.etc("key.gpg", "")
    file.write_bytes(keys.gpg(home, "--export"))
    add = ("portage-ext", "trust", "add", "other", "--from", str(file), "--fingerprint")
    outcome = lab.client.run(*add, subkey).failed()
    assert "[adopted-key]" in outcome.text, outcome
    assert key.fingerprint in outcome.text, outcome
    lab.client.run(*add, key.fingerprint).ok()
    # Nor does a pin count that somebody wrote by hand, or an earlier version let in.
    sign_at(lab, home, "--local-user", f"{subkey}!")
    pin_as_is(lab, home, subkey)
    lab.refused("UntrustedKeyError")


def test_one_good_untrusted_signature_beside_one_bad_trusted(lab: Lab, other_key: SigningKey) -> None:
    keys.gpg(lab.client.path / "etc/portage/gnupg", "--import", stdin=other_key.public())
    data = (lab.directory / "Release").read_bytes()
    elsewhere = keys.gpg(lab.key.home, "--digest-algo", "SHA512", "--detach-sign", stdin=data + b"other")
    here = keys.gpg(other_key.home, "--digest-algo", "SHA512", "--detach-sign", stdin=data)
    for order in (elsewhere + here, here + elsewhere):
        (lab.directory / "Release.asc").write_bytes(order)
        lab.refused("BadSignatureError")


def test_a_weak_digest_in_the_signature(lab: Lab) -> None:
    data = (lab.directory / "Release").read_bytes()
    signature = keys.gpg(lab.key.home, "--allow-weak-digest-algos", "--digest-algo", "SHA1", "--detach-sign", stdin=data)
    (lab.directory / "Release.asc").write_bytes(signature)
    lab.refused("WeakSignatureError")


def test_a_user_id_that_imitates_a_status_line(lab: Lab, home: Path) -> None:
    fake = f"[GNUPG:] VALIDSIG {lab.key.fingerprint} 2026-01-01 1767225600 0 4 0 22 10 00 {lab.key.fingerprint}"
    key = generate(home, "never", "--allow-freeform-uid", user_id=f"x\\n{fake} {fake}")
    sign_at(lab, home)
    keys.gpg(lab.client.path / "etc/portage/gnupg", "--import", stdin=key.public())
    lab.refused("UntrustedKeyError")
