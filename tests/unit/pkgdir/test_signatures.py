"""gpg's status lines decide, per signature; a detached signature is only waved through when everything about it fits."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext import limits
from portage_ext.errors import VerificationUnavailableError
from portage_ext.gpkg import detached
from portage_ext.pkgdir import signatures
from portage_ext.pkgdir.signatures import SignaturePolicy, Signed, check_signatures, judge
from tests.testkit import keys
from tests.testkit.crashing import crashing_gpg

GOOD = ["NEWSIG", "GOODSIG 1234 A", "VALIDSIG ABCD 2024-01-01 0", "TRUST_ULTIMATE 0 pgp"]


def test_one_good_trusted_signature_is_accepted() -> None:
    assert judge(GOOD).reason is None
    assert judge(GOOD).keys == {"ABCD"}


@pytest.mark.parametrize(
    "status",
    [
        [],
        ["GOODSIG 1234 A", "VALIDSIG ABCD", "TRUST_ULTIMATE"],
        GOOD[:3],
        [*GOOD[:3], "TRUST_UNDEFINED 0 pgp"],
        [*GOOD[:3], "TRUST_MARGINAL 0 pgp"],
        [GOOD[0], GOOD[1], GOOD[3]],
        ["NEWSIG", "BADSIG 1234 A"],
        ["NEWSIG", "EXPKEYSIG 1234 A", GOOD[2], GOOD[3]],
        ["NEWSIG", "REVKEYSIG 1234 A", GOOD[2], GOOD[3]],
        ["NEWSIG", "ERRSIG 1 22 10 00 1 9 -", "NO_PUBKEY 1"],
        [*GOOD, "NEWSIG", "BADSIG 77 B"],
        [*GOOD[:3], "TRUST_UNDEFINED", "NEWSIG", "BADSIG 77 B", "TRUST_ULTIMATE"],
        [*GOOD, "NEWSIG"],
        ["NEWSIG", "GOODSIG 1 [GNUPG:] TRUST_ULTIMATE", "VALIDSIG ABCD", "TRUST_NEVER"],
    ],
)
def test_anything_less_is_refused(status: list[str]) -> None:
    assert judge(status).reason


@given(st.lists(st.sampled_from([*GOOD, "BADSIG 1 A", "TRUST_NEVER", "NO_PUBKEY 1", "NODATA 1", "ERRSIG 1"])))
def test_nothing_is_accepted_without_a_valid_and_a_trusted_signature(status: list[str]) -> None:
    if judge(status).reason is None:
        words = {line.split()[0] for line in status}
        assert {"GOODSIG", "VALIDSIG", "TRUST_ULTIMATE"} <= words
        assert words.isdisjoint({"BADSIG", "NO_PUBKEY", "NODATA", "ERRSIG"})


@pytest.mark.parametrize("kernel", ["with pidfd_open", "without"])
def test_a_gpg_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch, kernel: str) -> None:
    def missing(pid: int) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    if kernel == "without":
        monkeypatch.setattr(os, "pidfd_open", missing)
    monkeypatch.setattr(limits, "GPG_SECONDS", 0.01)
    started: list[subprocess.Popen[bytes]] = []
    whole = signatures._ended

    def noted(process: subprocess.Popen[bytes], seconds: float) -> int:
        started.append(process)
        return whole(process, seconds)

    monkeypatch.setattr(signatures, "_ended", noted)
    policy = SignaturePolicy(True, True, ("/bin/sh", "-c", "exec tail -f /dev/null"))
    with pytest.raises(VerificationUnavailableError, match="timed out"):
        check_signatures([Signed("a", b"text", b"", b"")], policy)
    assert [one.returncode for one in started] == [-signal.SIGKILL]


@pytest.fixture
def signed(work: Path) -> tuple[Signed, SignaturePolicy]:
    key = keys.new_key(work / "key")
    keys.trust(work / "gnupg", key)

    def gpg(data: bytes, *arguments: str) -> bytes:
        command = ["gpg", "--homedir", str(key.home), "--batch", "--quiet", "--armor", "--digest-algo", "SHA512", *arguments]
        return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout

    metadata = bytes(range(256)) * 40
    package = Signed("a.gpkg.tar", gpg(b"DATA x 0\n", "--clear-sign"), metadata, gpg(metadata, "--detach-sign"))
    keys.kill_agents(key.home)
    command = ("gpg", "--homedir", str(work / "gnupg"), "--verify", "--batch", "--no-tty", "--status-fd", "2")
    return package, SignaturePolicy(True, True, command, environment={"PATH": "/usr/bin:/bin"})


@pytest.mark.parametrize("thorough", [False, True])
def test_gpg_accepts_what_gpg_signed_and_nothing_changed(signed: tuple[Signed, SignaturePolicy], thorough: bool) -> None:
    package, policy = signed
    assert check_signatures([package] * 3, policy, thorough=thorough) == {}
    other = Signed("b", package.manifest, package.metadata + b"x", package.signature)
    swapped = Signed("c", package.manifest.replace(b"DATA x 0", b"DATA x 1"), package.metadata, package.signature)
    unsigned = Signed("d", b"DATA x 0\n", package.metadata, package.signature)
    nonsense = Signed("e", package.manifest, package.metadata, b"nonsense")
    refused = check_signatures([other, package, swapped, unsigned, nonsense], policy, thorough=thorough)
    assert refused.keys() == {"b", "c", "d", "e"}
    assert refused["b"] == "metadata: a bad signature"
    assert refused["c"] == "Manifest: a bad signature"


def test_an_ordinary_signature_is_evident_and_needs_no_second_run(signed: tuple[Signed, SignaturePolicy]) -> None:
    package, _ = signed
    packet = detached.parse_signature(detached.binary_signature(package.signature))
    assert packet is not None
    assert packet.fits(package.metadata)
    assert not packet.fits(package.metadata[:-1])


def test_gpg_that_cannot_run_is_an_error_of_its_own(signed: tuple[Signed, SignaturePolicy]) -> None:
    package, _ = signed
    for command in (("/nonexistent/gpg",), ("false",)):
        with pytest.raises(VerificationUnavailableError):
            check_signatures([package], SignaturePolicy(True, True, command, environment={"PATH": "/usr/bin:/bin"}))


def test_a_gpg_that_is_killed_is_asked_again_and_one_that_crashes_at_a_file_refuses_that_file_alone(tmp_path: Path) -> None:
    policy = SignaturePolicy(True, True, (str(crashing_gpg(tmp_path)),), environment={"PATH": "/usr/bin:/bin"})
    texts = {name: Signed(name, name.encode() + b"\n", b"", b"") for name in ("a", "once", "b", "crash", "c")}
    refused = check_signatures(list(texts.values()), policy)
    assert refused == {"crash": "Manifest: gpg crashed while it checked the signature"}


@given(st.binary(max_size=400))
def test_any_bytes_are_a_packet_or_none(data: bytes) -> None:
    packet = detached.parse_signature(data)
    assert packet is None or len(packet.prefix) == 2
