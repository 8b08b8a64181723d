"""gpgv and gemato come to the same verdicts as we do, over real keys and signatures."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from portage_ext.errors.trust import TrustError
from portage_ext.trust import gpg, openpgp
from tests.testkit import binpkgs, keys
from tests.testkit.keys import SigningKey

DATA = b"Format: portage-ext-release-1\n"


@pytest.fixture
def key(work: Path) -> Iterator[SigningKey]:
    made = keys.new_key(work / "key")
    yield made
    keys.kill_agents(made.home)


@pytest.fixture
def other(work: Path) -> Iterator[SigningKey]:
    made = keys.new_key(work / "other")
    yield made
    keys.kill_agents(made.home)


@pytest.fixture
def ring(work: Path, key: SigningKey) -> Path:
    path = work / "ring.gpg"
    path.write_bytes(keys.gpg(key.home, "--export", key.fingerprint))
    return path


def detached(key: SigningKey, data: bytes = DATA) -> bytes:
    return keys.gpg(key.home, "--digest-algo", "SHA512", "--detach-sign", stdin=data)


def ours(ring: Path, key: SigningKey, signature: bytes, data: bytes) -> bool:
    try:
        openpgp.judge(gpg.verify_detached([ring], signature, data), frozenset({key.fingerprint}), "test")
    except TrustError:
        return False
    return True


def by_gpgv(work: Path, ring: Path, signature: bytes, data: bytes) -> bool:
    (work / "sig").write_bytes(signature)
    (work / "data").write_bytes(data)
    command = ["gpgv", "--keyring", str(ring), str(work / "sig"), str(work / "data")]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_gpgv_agrees(work: Path, ring: Path, key: SigningKey, other: SigningKey) -> None:
    good, foreign = detached(key), detached(other)
    cases = {
        "good": (good, DATA, True),
        "changed": (good, DATA + b"x", False),
        "foreign": (foreign, DATA, False),
        "damaged": (good[:-4] + bytes(4), DATA, False),
        "truncated": (good[:-9], DATA, False),
        "empty": (b"", DATA, False),
        "garbage": (b"\x00\xff" * 40, DATA, False),
        "bad beside foreign": (foreign + detached(key, b"other"), DATA, False),
    }
    for name, (signature, data, expected) in cases.items():
        assert ours(ring, key, signature, data) is expected, name
        assert by_gpgv(work, ring, signature, data) is expected, name


def test_gpgv_is_laxer_where_we_are_stricter_on_purpose(work: Path, ring: Path, key: SigningKey, other: SigningKey) -> None:
    both = work / "both.gpg"
    both.write_bytes(ring.read_bytes() + keys.gpg(other.home, "--export"))
    # A good signature by a key that is present but not pinned: gpgv knows no pins.
    assert by_gpgv(work, both, detached(other), DATA)
    assert not ours(both, key, detached(other), DATA)


def test_an_ordinary_user_comes_to_the_same_verdict(ring: Path, key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")
    assert ours(ring, key, detached(key), DATA)


def test_no_keyring_is_no_trust(work: Path, key: SigningKey) -> None:
    assert not ours(work / "absent.gpg", key, detached(key), DATA)


def test_gemato_agrees_about_manifests(key: SigningKey, other: SigningKey, ring: Path) -> None:
    exceptions = pytest.importorskip("gemato.exceptions")
    manifest = pytest.importorskip("gemato.manifest")
    environment = pytest.importorskip("gemato.openpgp").OpenPGPEnvironment

    text = (binpkgs.record("metadata.tar.zst", b"m") + binpkgs.record("image.tar.zst", b"i")).encode()
    good = keys.gpg(key.home, "--digest-algo", "SHA512", "--clear-sign", stdin=text)
    cases = {
        "good": (good, True),
        "changed": (good.replace(b"DATA image", b"DATA imagf"), False),
        "foreign": (keys.gpg(other.home, "--digest-algo", "SHA512", "--clear-sign", stdin=text), False),
    }
    with environment() as env:
        env.import_key(io.BytesIO(key.public()))
        for name, (data, expected) in cases.items():
            found = gpg.verify_clearsigned([ring], data)
            try:
                openpgp.judge(found, frozenset({key.fingerprint}), "test")
                verdict = True
            except TrustError:
                verdict = False
            theirs = manifest.ManifestFile()
            try:
                theirs.load(io.StringIO(data.decode()), verify_openpgp=True, openpgp_env=env)
                assert {one.path for one in theirs.entries} == {"metadata.tar.zst", "image.tar.zst"}
                gemato = True
            except exceptions.OpenPGPVerificationFailure:
                gemato = False
            assert verdict is gemato is expected, name
