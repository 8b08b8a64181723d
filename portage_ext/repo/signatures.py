"""Signatures of many packages are checked by one gpg, and each is judged by its own status lines, never by the exit status.

What Portage checks with four processes a package (gpkg._verify_binpkg) is the clear signature of the Manifest and the
detached one of the metadata. gpg takes many files at once, but no detached signatures; a detached signature in front of its
data, wrapped as a literal packet, is a signed message like any other (RFC 9580, 10.3), and that gpg does take.
"""

from __future__ import annotations

import base64
import binascii
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.errors import VerificationUnavailableError

_STATUS: Final = "[GNUPG:] "
_TRUSTED: Final = ("TRUST_FULLY", "TRUST_ULTIMATE")
_BAD: Final = {
    "BADSIG": "a bad signature",
    "ERRSIG": "a signature that cannot be checked",
    "NO_PUBKEY": "signed with a key that is not in the verification keyring",
    "EXPSIG": "an expired signature",
    "EXPKEYSIG": "signed with a key that has expired",
    "REVKEYSIG": "signed with a revoked key",
    "NODATA": "no signature",
}


@dataclass(frozen=True, slots=True)
class SignaturePolicy:
    """What Portage's settings ask for. ``command`` is the argument list up to the files; ``user`` and ``group`` for root."""

    verify: bool = False
    required: bool = False
    command: tuple[str, ...] = ()
    user: str | None = None
    group: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed package: its Manifest member as it stands there, its metadata archive and that one's detached signature."""

    path: str
    manifest: bytes
    metadata: bytes
    signature: bytes

    @property
    def size(self) -> int:
        return len(self.manifest) + len(self.metadata) + len(self.signature)


def binary_signature(data: bytes) -> bytes:
    """The packets of a detached signature, whether it is armored or not. Raises ValueError."""
    if not data.startswith(b"-----BEGIN PGP SIGNATURE-----"):
        return data
    lines = data.replace(b"\r\n", b"\n").strip().split(b"\n")
    if lines[-1].strip() != b"-----END PGP SIGNATURE-----" or b"" not in lines:
        raise ValueError("not one armored signature")
    body = lines[lines.index(b"") + 1 : -1]
    if body and body[-1].startswith(b"="):  # the checksum of the armor, optional since RFC 9580
        body.pop()
    try:
        return base64.b64decode(b"".join(body), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def signed_message(signature: bytes, data: bytes) -> bytes:
    """One OpenPGP message out of a detached signature (binary packets) and what it signs."""
    body = b"b\0" + bytes(4) + data
    return signature + b"\xcb\xff" + len(body).to_bytes(4, "big") + body


@dataclass(slots=True)
class _Signature:
    good: bool = False
    fingerprint: str = ""
    trusted: bool = False


def judge(status: Sequence[str]) -> str | None:
    """Why the signatures on one file, by gpg's status lines without their prefix, are not accepted; None when they are.

    Every signature must be good, and one of them valid by a key that the keyring trusts.
    """
    signatures: list[_Signature] = []
    for line in status:
        word, _, rest = line.partition(" ")
        if word == "NEWSIG":
            signatures.append(_Signature())
        elif word in _BAD:
            return _BAD[word]
        elif not signatures:
            continue
        elif word == "GOODSIG":
            signatures[-1].good = True
        elif word == "VALIDSIG":
            signatures[-1].fingerprint = rest.partition(" ")[0]
        elif word in _TRUSTED:
            signatures[-1].trusted = True
    if not signatures:
        return "no signature"
    if not all(one.good and one.fingerprint for one in signatures):
        return "a signature that is not valid"
    if not any(one.trusted for one in signatures):
        return f"signed by {signatures[0].fingerprint}, which the verification keyring has but does not trust"
    return None


def check_signatures(packages: Sequence[Signed], policy: SignaturePolicy) -> dict[str, str]:
    """The paths whose signatures are not accepted, with the reason. Raises VerificationUnavailableError."""
    refused: dict[str, str] = {}
    if not packages:
        return refused
    with tempfile.TemporaryDirectory(prefix="portage-ext-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # gpg runs as another user
        files: dict[str, str] = {}
        for number, package in enumerate(packages):
            manifest = directory / f"{number}.manifest"
            message = directory / f"{number}.metadata"
            manifest.write_bytes(package.manifest)
            try:
                message.write_bytes(signed_message(binary_signature(package.signature), package.metadata))
            except ValueError as error:
                refused[package.path] = f"metadata: {error}"
                continue
            for file in (manifest, message):
                file.chmod(0o644)
                files[str(file)] = package.path
        status = _run(policy, tuple(files))
        for file_name, path in files.items():
            reason = judge(status.get(file_name, ()))
            if reason is not None:
                member = "Manifest" if file_name.endswith(".manifest") else "metadata"
                refused.setdefault(path, f"{member}: {reason}")
    return refused


def _run(policy: SignaturePolicy, files: tuple[str, ...]) -> dict[str, list[str]]:
    if not files:
        return {}
    command = (*policy.command, "--multifile", "--", *files)
    drop: dict[str, str] = {}
    if policy.user is not None:
        drop["user"] = policy.user
    if policy.group is not None:
        drop["group"] = policy.group
    try:
        done = subprocess.run(  # type: ignore[call-overload]
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=dict(policy.environment),
            timeout=limits.GPG_SECONDS,
            check=False,
            **drop,
        )
    except (OSError, KeyError, LookupError, subprocess.TimeoutExpired) as error:
        raise VerificationUnavailableError(policy.command[0] if policy.command else "gpg", str(error)) from error
    result: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in done.stderr.decode("utf-8", "replace").split("\n"):
        if not line.startswith(_STATUS):
            continue
        text = line[len(_STATUS) :]
        if text.startswith("FILE_START "):
            current = result.setdefault(text.split(" ", 2)[2], [])
        elif text.startswith("FILE_DONE"):
            current = None
        elif current is not None:
            current.append(text)
    if not result:
        tail = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise VerificationUnavailableError(policy.command[0], tail[-1] if tail else f"status {done.returncode}")
    return result
