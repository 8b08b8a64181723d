"""Of a file of keys comes the primary key that was asked for, bare, or a refusal. Real gpg."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.errors.here import AdoptedKeyError
from portage_ext.errors.trust import GpgError, KeyFileError
from portage_ext.trust import gpg, keyfiles, manage
from portage_ext.trust.keyfiles import gpg_in, keys_in, only, split
from portage_ext.trust.openpgp import Verdict
from portage_ext.trust.signer import signing_key
from tests.testkit import adoption, keys
from tests.testkit.adoption import Stranger
from tests.testkit.keys import SigningKey

QUICK = ("--pinentry-mode", "loopback", "--passphrase", "")
WHERE = "the test"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SigningKey]:
    made = keys.new_key(tmp_path_factory.mktemp("k") / "h")
    yield made
    keys.kill_agents(made.home)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SigningKey]:
    made = keys.new_key(tmp_path_factory.mktemp("o") / "h", "Other <other@example.invalid>")
    yield made
    keys.kill_agents(made.home)


def binary(key: SigningKey) -> bytes:
    return keys.gpg(key.home, "--export", key.fingerprint)


def tags(data: bytes) -> list[int]:
    return [tag for tag, _ in adoption.packets(data)]


def test_the_key_asked_for_armored_or_not(key: SigningKey) -> None:
    armored = key.public()
    head, _, rest = armored.partition(b"\n")
    with_headers = b"of the binhost:\n" + head + b"\nVersion: 1\nComment: x\n" + rest
    for data in (binary(key), armored, with_headers, armored.replace(b"\n", b"\r\n")):
        assert list(split(only([data], key.fingerprint, WHERE), WHERE)) == [key.fingerprint]


def test_whatever_claims_it_or_stands_beside_it_is_refused(key: SigningKey, other: SigningKey) -> None:
    adopted, honest = Stranger.new().public(adoption.key_body(key)), binary(key)
    for data in (adopted, adopted + honest, honest + adopted):
        with pytest.raises(AdoptedKeyError):
            only([data], key.fingerprint, WHERE)
    secret = keys.gpg(key.home, *QUICK, "--export-secret-keys", key.fingerprint)
    for data in (honest + binary(other), binary(other) + honest, honest + honest, secret, binary(other), b"", b"no key"):
        with pytest.raises(KeyFileError):
            only([data], key.fingerprint, WHERE)


def test_nothing_but_packets_of_public_keys_comes_to_gpg(key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    deflate = zlib.compressobj(wbits=-15)
    bomb = adoption.packet(8, b"\x01" + deflate.compress(binary(key) + bytes(10_000_000)) + deflate.flush())
    secret = keys.gpg(key.home, *QUICK, "--armor", "--export-secret-keys", key.fingerprint)
    damaged = key.public().replace(b"\n\n", b"\n\nA", 1)
    cut = binary(key)[:-1]
    monkeypatch.setattr("gnupg.GPG.import_keys", lambda *arguments: pytest.fail("it came to gpg"))
    for data in (bomb, binary(key) + bomb, damaged, cut):
        with pytest.raises(KeyFileError):
            only([data], key.fingerprint, WHERE)
    monkeypatch.undo()
    with pytest.raises(KeyFileError, match="no key at all"):
        only([secret], key.fingerprint, WHERE)


def test_nothing_comes_along_with_the_key(work: Path, key: SigningKey) -> None:
    home = work / "c"
    with_more = Stranger.new("Certifying <c@example.invalid>").signing_key(home)
    keys.gpg(home, "--import", stdin=key.public())
    keys.gpg(home, *QUICK, "--local-user", with_more.fingerprint, "--quick-sign-key", key.fingerprint)
    certified = keys.gpg(home, "--export", key.fingerprint)
    assert tags(certified) == [6, 13, 2, 2]
    assert tags(only([certified], key.fingerprint, WHERE)) == [6, 13, 2]
    keys.kill_agents(home)


def test_a_revocation_is_not_lost_on_the_way(work: Path) -> None:
    key = keys.new_key(work / "r")
    before = binary(key)
    certificate = (key.home / "openpgp-revocs.d" / f"{key.fingerprint}.rev").read_text()
    keys.gpg(key.home, "--import", stdin=certificate.replace(":-----BEGIN", "-----BEGIN").encode())
    for pieces in ([binary(key)], [before, binary(key)], [binary(key), before]):
        with pytest.raises(KeyFileError, match="revoked"):
            only(pieces, key.fingerprint, WHERE)
    keys.kill_agents(key.home)


def test_of_several_keys_with_the_same_subkey_only_the_one_that_it_certified_counts(work: Path, key: SigningKey) -> None:
    stranger = Stranger.new()
    rings = {"honest": only([binary(key)], key.fingerprint, WHERE), "adopted": stranger.public(adoption.key_body(key))}
    for name, data in rings.items():
        (work / name).write_bytes(data)
    made = keys.gpg(key.home, "--digest-algo", "SHA512", "--detach-sign", stdin=b"text")
    for order in (("honest",), ("honest", "adopted"), ("adopted", "honest"), ("adopted",)):
        (found,) = gpg.verify_detached([work / name for name in order], made, b"text")
        # gpg takes the first key that has it: behind the stranger's, the honest signature cannot be checked.
        verdict, primary = (Verdict.GOOD, key.fingerprint) if order[0] == "honest" else (Verdict.UNCHECKED, "")
        assert (found.verdict, found.fingerprint) == (verdict, primary)
        assert not found.by_any_of(frozenset({stranger.fingerprint}))


def test_portage_trusts_the_key_asked_for_and_nothing_else(work: Path, key: SigningKey, other: SigningKey) -> None:
    home = work / "g"
    manage.let_portage_verify(home, only([binary(key)], key.fingerprint, WHERE), key.fingerprint)
    ultimate = f"{key.fingerprint}:6:"
    assert ultimate in keys.gpg(home, "--export-ownertrust").decode().splitlines()
    keys.gpg(home, "--import", stdin=Stranger.new().public(adoption.key_body(other)))
    with pytest.raises(AdoptedKeyError):
        manage.let_portage_verify(home, only([binary(other)], other.fingerprint, WHERE), other.fingerprint)
    manage.forget_in_portage(home, frozenset({key.fingerprint, other.fingerprint}))
    assert not any(line.endswith(":6:") for line in keys.gpg(home, "--export-ownertrust").decode().splitlines())
    assert key.fingerprint not in keys.gpg(home, "--with-colons", "--list-keys").decode()
    keys.kill_agents(home)


def test_a_keyring_is_taken_apart_as_gpg_lists_it(key: SigningKey, other: SigningKey) -> None:
    parts = {one.fingerprint: only([binary(one)], one.fingerprint, WHERE) for one in (key, other)}
    ring = keyfiles.joined(parts)
    assert split(ring, WHERE) == parts
    assert {one.primary for one in keyfiles.read_keys(ring)} == set(parts)


pieces = st.sampled_from([b"\x99", b"\xc6", b"\x01", b"\x04", b"\xff", b"\x00\x10"])


@given(st.binary(max_size=64) | st.lists(pieces).map(b"".join))
def test_no_bytes_escape_the_named_error(data: bytes) -> None:
    try:
        parts = split(data, WHERE)
    except KeyFileError:
        return
    assert sum(map(len, parts.values())) == len(data)


def test_keys_that_gpg_cannot_list_are_not_taken_for_none(tmp_path: Path) -> None:
    """Else a key that is to be deleted would count as deleted, and one that is to sign as not there."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "pubring.kbx").mkdir()
    with pytest.raises(GpgError, match="cannot be listed"):
        keys_in(gpg_in(home))
    (home / "gpg.conf").write_text("no-such-option\n")
    with pytest.raises(GpgError):
        signing_key(home, None)
