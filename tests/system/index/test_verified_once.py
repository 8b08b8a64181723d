"""What one run of gpg says for two keyrings is what two runs say, whatever the keys, the options and the texts are."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from portage_ext.errors.trust import TrustError
from portage_ext.pkgdir.signatures import SignaturePolicy, Signed, check_signatures
from portage_ext.pkgdir.verified_once import VerifiedOnce, alike
from portage_ext.trust import gpg
from portage_ext.trust.openpgp import Signature
from portage_ext.trust.signer import SigningKey as Signing
from portage_ext.trust.signer import public_key
from tests.testkit import adoption, keys
from tests.testkit.adoption import Stranger
from tests.testkit.keys import QUICK, SigningKey

TEXT = b"DATA one 1\n"
METADATA = bytes(range(256)) * 8


def clearsigned(key: SigningKey, *options: str, text: bytes = TEXT, digest: str = "SHA512") -> bytes:
    return keys.gpg(key.home, *options, "--digest-algo", digest, "--clear-sign", stdin=text)


def days_ago(days: int) -> str:
    return time.strftime("%Y%m%dT%H%M%S!", time.gmtime(time.time() - days * 86400))


@dataclass(frozen=True)
class Keys:
    """The host's key with a signing subkey, how it was before it had the subkey, and two others."""

    ours: SigningKey
    subkey: str
    before: bytes
    other: SigningKey
    stranger: SigningKey

    @cached_property
    def public(self) -> bytes:
        return keys.gpg(self.ours.home, "--export", self.ours.fingerprint)

    @cached_property
    def revoked(self) -> bytes:
        return self._changed("--import", stdin=self._revocation())

    @cached_property
    def expired(self) -> bytes:
        return self._changed("--faked-system-time", days_ago(3), "--quick-set-expire", self.ours.fingerprint, "1d")

    @cached_property
    def subkey_revoked(self) -> bytes:
        # key 1, revkey, yes; no reason; yes
        said = b"key 1\nrevkey\ny\n0\n\ny\nsave\n"
        return self._changed("--command-fd", "0", "--no-batch", "--edit-key", self.ours.fingerprint, stdin=said)

    def _revocation(self) -> bytes:
        file = self.ours.home / "openpgp-revocs.d" / f"{self.ours.fingerprint}.rev"
        return file.read_text().replace(":-----BEGIN", "-----BEGIN").encode()

    def _changed(self, *command: str, stdin: bytes | None = None) -> bytes:
        home = self.ours.home.with_name("changed")
        shutil.copytree(self.ours.home, home, ignore=shutil.ignore_patterns("S.*"))
        try:
            keys.gpg(home, *QUICK, *command, stdin=stdin)
            return keys.gpg(home, "--export", self.ours.fingerprint)
        finally:
            keys.kill_agents(home)
            shutil.rmtree(home)


@pytest.fixture
def made(work: Path) -> Iterator[Keys]:
    ours = keys.new_key(work / "ours", since=days_ago(9))
    old = keys.gpg(ours.home, "--export", ours.fingerprint)
    keys.gpg(ours.home, *QUICK, "--quick-add-key", ours.fingerprint, "ed25519", "sign", "never")
    listing = keys.gpg(ours.home, "--with-colons", "--list-keys").decode().splitlines()
    subkey = [line.split(":")[9] for line in listing if line.startswith("fpr:")][1]
    others = (
        keys.new_key(work / "other", "Other <o@example.invalid>"),
        keys.new_key(work / "alien", "Alien <a@example.invalid>"),
    )
    yield Keys(ours, subkey, old, *others)
    for key in (ours, *others):
        keys.kill_agents(key.home)


def texts(made: Keys, work: Path) -> dict[str, bytes]:
    """Signed and unsigned Manifests of all kinds."""
    primary = ("--local-user", f"{made.ours.fingerprint}!")
    good = clearsigned(made.ours, *primary)
    both = work / "both"
    shutil.copytree(made.ours.home, both, ignore=shutil.ignore_patterns("S.*"))
    secrets = keys.gpg(made.other.home, *QUICK, "--export-secret-keys")
    keys.gpg(both, *QUICK, "--import", stdin=secrets)
    pair = SigningKey(both, made.ours.fingerprint)
    alien = SigningKey(both, made.ours.fingerprint)
    keys.gpg(both, *QUICK, "--import", stdin=keys.gpg(made.stranger.home, *QUICK, "--export-secret-keys"))
    found = {
        "good": good,
        "by the subkey": clearsigned(made.ours, "--local-user", f"{made.subkey}!"),
        "changed": good.replace(b"DATA one 1", b"DATA one 2"),
        "cut": good[:-60],
        "by another key": clearsigned(made.other),
        "by an unknown key": clearsigned(made.stranger),
        "ours and another": clearsigned(pair, *primary, "--local-user", made.other.fingerprint),
        "ours and an unknown": clearsigned(alien, *primary, "--local-user", made.stranger.fingerprint),
        "ours and ours": clearsigned(made.ours, *primary, "--local-user", f"{made.subkey}!"),
        "a weak digest": clearsigned(made.ours, *primary, digest="SHA1"),
        "a short digest": clearsigned(made.ours, *primary, digest="SHA224"),
        "an expired signature": clearsigned(
            made.ours, *primary, "--faked-system-time", days_ago(3), "--default-sig-expire", "1d"
        ),
        "a notation": clearsigned(made.ours, *primary, "--sig-notation", "a@example.invalid=b"),
        "a critical notation": clearsigned(made.ours, *primary, "--sig-notation", "!a@example.invalid=b"),
        "a policy": clearsigned(made.ours, *primary, "--sig-policy-url", "https://example.invalid/"),
        "two messages": good + clearsigned(made.other),
        "twice": good + good,
        "words around it": b"[GNUPG:] VALIDSIG\n" + good + b"more\n",
        "one-pass": keys.gpg(made.ours.home, *primary, "--sign", stdin=TEXT),
        "unsigned": TEXT,
        "empty": b"",
        "garbage": b"\x00\xff" * 40,
    }
    keys.kill_agents(both)
    return found


@dataclass(frozen=True)
class Case:
    """Our copy of the key, Portage's copy, and what its home has beside."""

    ours: bytes
    theirs: Sequence[bytes]
    conf: str = "lock-never\nno-permission-warning\n"
    trusted: bool = True
    files: Sequence[str] = ()
    extra: Sequence[str] = ()
    shared: bool = False
    """Whether gpg is asked only once."""


def home_of(work: Path, case: Case, fingerprint: str) -> SignaturePolicy:
    home = work / "portage"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(mode=0o755)
    for data in case.theirs:
        with contextlib.suppress(subprocess.CalledProcessError):  # a key that another one claims
            keys.gpg(home, "--import", stdin=data)
    if case.trusted:
        keys.gpg(home, "--import-ownertrust", stdin=f"{fingerprint}:6:\n".encode())
    with contextlib.suppress(subprocess.CalledProcessError):  # it may trust a key that it does not have
        keys.gpg(home, "--check-trustdb")
    keys.kill_agents(home)
    (home / "gpg.conf").write_text(case.conf)
    for name in case.files:
        (home / name).write_text("lock-never\n")
    for path in home.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    command = ("gpg", "--verify", "--batch", "--no-tty", "--no-auto-check-trustdb", "--status-fd", "2", "--homedir", str(home))
    user, group = ("nobody", "nogroup") if os.getuid() == 0 else (None, None)
    return SignaturePolicy(True, True, (*command, *case.extra), user, group, environment={"PATH": os.environ["PATH"]})


def cases(made: Keys) -> dict[str, Case]:
    public = made.public
    other = keys.gpg(made.other.home, "--export")
    adopted = Stranger.new().public(adoption.key_body(made.ours))
    return {
        "the same": Case(public, [public], shared=True),
        "beside another key": Case(public, [other, public], shared=True),
        "as getuto configures it": Case(public, [public], "no-greeting\nno-permission-warning\n", shared=True),
        "not trusted": Case(public, [public], trusted=False),
        "absent": Case(public, [other]),
        "revoked there": Case(public, [made.revoked]),
        "revoked here": Case(made.revoked, [public]),
        "revoked in both": Case(made.revoked, [made.revoked]),
        "expired there": Case(public, [made.expired]),
        "expired here": Case(made.expired, [public]),
        "expired in both": Case(made.expired, [made.expired]),
        "the subkey is revoked there": Case(public, [made.subkey_revoked]),
        "the subkey is revoked here": Case(made.subkey_revoked, [public]),
        "without the subkey there": Case(public, [made.before]),
        "without the subkey here": Case(made.before, [public]),
        "claimed by a stranger, before": Case(public, [adopted, public]),
        "claimed by a stranger, behind": Case(public, [public, adopted]),
        "trust always": Case(public, [public], "lock-never\ntrust-model always\n"),
        "a stricter digest": Case(public, [public], "lock-never\nweak-digest SHA512\n"),
        "a known notation": Case(public, [public], "lock-never\nknown-notation a@example.invalid\n"),
        "another time": Case(made.expired, [public], f"lock-never\nfaked-system-time {days_ago(2)}\n"),
        "options of this version": Case(public, [public], files=["gpg.conf-2"]),
        "an option in the command": Case(public, [public], extra=["--known-notation=a@example.invalid"]),
    }


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpg, "WORTH_A_GPG", 1)


def told(errors: Sequence[Exception | None]) -> list[str]:
    return [f"{type(error).__name__}: {error}" for error in errors]


@pytest.mark.usefixtures("small")
def test_one_run_says_what_two_runs_say(work: Path, made: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    every = texts(made, work)
    names = list(every)
    wanted = cases(made)
    shared: dict[str, bool] = {}
    whole = gpg.verify_many
    asked: list[bytes] = []

    def counting(rings: Sequence[Path], some: Sequence[bytes]) -> list[tuple[Signature, ...]]:
        asked.extend(some)
        return whole(rings, some)

    monkeypatch.setattr(gpg, "verify_many", counting)
    seen = set[str]()
    for case_name, case in wanted.items():
        policy, ring = home_of(work, case, made.ours.fingerprint), work / "ring.gpg"
        minimal = minimally(work, case.ours)
        ring.write_bytes(minimal)
        trusted = frozenset({made.ours.fingerprint})
        packages = [Signed(name, text, METADATA, b"") for name, text in every.items()]
        ours = told(gpg.judge_many([ring], trusted)(list(every.values()), names))
        theirs = check_signatures(packages, policy)
        once = VerifiedOnce(policy, minimal, made.ours.fingerprint)
        asked.clear()
        assert told(gpg.judge_many([ring], trusted, {}, once.signatures)(list(every.values()), names)) == ours, case_name
        shared[case_name] = every["good"] not in asked
        assert {every[name] for name in ("changed", "unsigned", "empty", "ours and an unknown")} <= set(asked)
        assert check_signatures(packages, policy) == theirs, case_name
        seen |= {one.partition(":")[0] for one in ours}
        assert len(policy.accepted) == (0 if not case.shared else len(every) - len(set(asked)))
    assert shared == {name: case.shared for name, case in wanted.items()}
    assert {"NoneType", "BadSignatureError", "ExpiredKeyError", "RevokedKeyError", "UnknownKeyError", "UnsignedError"} <= seen


def minimally(work: Path, public: bytes) -> bytes:
    """``public`` as ``trust/keyfiles`` exports it, which refuses what is revoked or expired."""
    home = work / "minimal"
    home.mkdir(mode=0o700)
    try:
        keys.gpg(home, "--import-options", "import-minimal", "--import", stdin=public)
        return keys.gpg(home, "--export-options", "export-minimal,no-export-attributes", "--export")
    finally:
        keys.kill_agents(home)
        shutil.rmtree(home)


def test_the_key_of_the_signing_home_is_found_alike(work: Path, made: Keys) -> None:
    policy = home_of(work, Case(b"", [made.public]), made.ours.fingerprint)
    key = public_key(made.ours.home, Signing(made.ours.fingerprint, made.ours.fingerprint))
    assert alike(policy, key, made.ours.fingerprint)
    assert not alike(policy, key, made.other.fingerprint)
    assert not alike(policy, key[:-1], made.ours.fingerprint)
    for other in (SignaturePolicy(), SignaturePolicy(False, False, policy.command, environment=policy.environment)):
        assert not alike(other, key, made.ours.fingerprint)


def test_another_program_than_ours_is_asked_for_itself(work: Path, made: Keys) -> None:
    policy = home_of(work, Case(b"", [made.public]), made.ours.fingerprint)
    key = public_key(made.ours.home, Signing(made.ours.fingerprint, made.ours.fingerprint))
    wrapper = work / "gpg"
    wrapper.write_text('#!/bin/sh\nexec gpg "$@"\n')
    wrapper.chmod(0o755)
    other = SignaturePolicy(True, True, (str(wrapper), *policy.command[1:]), policy.user, policy.group, policy.environment)
    assert not alike(other, key, made.ours.fingerprint)


@pytest.mark.usefixtures("small")
def test_where_portages_gpg_cannot_run_our_own_decides(work: Path, made: Keys) -> None:
    key = public_key(made.ours.home, Signing(made.ours.fingerprint, made.ours.fingerprint))
    ring, text = work / "ring.gpg", clearsigned(made.ours)
    ring.write_bytes(key)
    for command in ((), ("/nonexistent/gpg", "--verify"), ("gpg", "--verify", "--homedir", str(work / "absent"))):
        policy = SignaturePolicy(True, True, command)
        once = VerifiedOnce(policy, key, made.ours.fingerprint)
        judge = gpg.judge_many([ring], frozenset({made.ours.fingerprint}), {}, once.signatures)
        assert judge([text], ["a"]) == [None]
        assert isinstance(judge([text.replace(b"one", b"two")], ["a"])[0], TrustError)
        assert not policy.accepted
