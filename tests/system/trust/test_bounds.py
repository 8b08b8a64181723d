"""A gpg that hangs is announced, and ended: whoever starts it. One that fails silently is not taken for "unsigned"."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.errors.trust import GpgError
from portage_ext.trust import gpg, keyfiles, manage
from portage_ext.trust.signer import GpgSigner, SigningKey, signing_key

KEY = SigningKey("A" * 40, "A" * 40)


def pending(path: Path) -> bytes:
    with path.open("rb") as file:
        return GpgSigner(KEY).detach_stretch(file.fileno(), 0, path.stat().st_size).result()


CALLS: dict[str, Callable[[Path], object]] = {
    "verdict": lambda path: gpg.verify_detached([], b"x", b"y"),
    "list": lambda path: keyfiles.read_keys(b""),
    "secret keys": lambda path: manage.secret_keys(path.parent),
    "signing key": lambda path: signing_key(path.parent, None),
    "trust database": lambda path: manage._settle(path.parent),
    "signature": lambda path: GpgSigner(KEY).detach(b"x"),
    "signature over a small payload": lambda path: pending(path),
    "signature over a large payload": lambda path: pending(path.with_name("large")),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_gpg_that_hangs_is_announced_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], call: Callable[[Path], object]
) -> None:
    # The real gpg hangs only over locks and agents of others.
    program = tmp_path / "bin/gpg"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(limits, "LOCK_SILENT", 0.1)
    monkeypatch.setattr(limits, "GPG_TIMEOUT", 0.3)
    monkeypatch.setattr(limits, "SIGN_SECONDS", 0.3)
    (tmp_path / "small").write_bytes(b"x")
    # More than fits into a pipe.
    (tmp_path / "large").write_bytes(bytes(4 << 20))
    with pytest.raises(GpgError, match="and was ended"):
        call(tmp_path / "small")
    assert "waiting for gpg" in capfd.readouterr().err or call is CALLS["signature over a large payload"]


def test_a_gpg_that_fails_silently_is_not_an_absent_signature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The real gpg does so where memory is short.
    program = tmp_path / "bin/gpg"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'gpg: out of core' >&2\nexit 2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with pytest.raises(GpgError, match="ended with status 2 and said nothing of the signature: gpg: out of core"):
        gpg.verify_clearsigned([], b"x")


def test_bytes_without_a_signature_are_no_failure_of_gpg() -> None:
    assert gpg.verify_clearsigned([], b"x") == ()
