"""One gpg checks the signatures of many packages, and each is judged by its own status lines, never by the exit status.

Portage runs four processes per package (gpkg._verify_binpkg) to check the clear signature of the Manifest and the detached
signature of the metadata. gpg accepts many files at once, but not with detached signatures. However, a detached signature
followed by its data as a literal packet is an ordinary signed message, which gpg accepts (detached.py says when it is needed).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from portage_ext import limits
from portage_ext.errors import VerificationUnavailableError
from portage_ext.files import in_memory
from portage_ext.gpkg.detached import binary_signature, parse_signature, signed_message
from portage_ext.records import field, record

_STATUS: Final = "[GNUPG:] "
_TRUSTED: Final = ("TRUST_FULLY", "TRUST_ULTIMATE")
_CRASHED: Final = "CRASHED"
"""No word of gpg's: it was killed twice while it looked at the file."""
_BAD: Final = {
    _CRASHED: "gpg crashed while it checked the signature",
    "BADSIG": "a bad signature",
    "ERRSIG": "a signature that cannot be checked",
    "NO_PUBKEY": "signed with a key that is not in the verification keyring",
    "EXPSIG": "an expired signature",
    "EXPKEYSIG": "signed with a key that has expired",
    "REVKEYSIG": "signed with a revoked key",
    "NODATA": "no signature",
}


@record
class Verdict:
    """``reason`` says why the signatures of a file are not accepted, None if they are; ``keys`` made the signatures."""

    reason: str | None
    keys: frozenset[str] = frozenset()


@record
class SignaturePolicy:
    """The check that Portage's settings require. ``command`` is the argument list up to the files; root runs it as ``user``
    and ``group``."""

    verify: bool = False
    required: bool = False
    command: tuple[str, ...] = ()
    user: str | None = None
    group: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    accepted: dict[bytes, Verdict] = field(default_factory=dict)
    """Verdicts of this command earlier in this run, by the BLAKE2B of the Manifest (verified_once.py)."""


@record
class Signed:
    """A signed package: its raw Manifest member, its metadata archive, and the detached signature of that archive."""

    path: str
    manifest: bytes
    metadata: bytes
    signature: bytes

    @property
    def size(self) -> int:
        return len(self.manifest) + len(self.metadata) + len(self.signature)


@record(frozen=False)
class _Signature:
    good: bool = False
    fingerprint: str = ""
    trusted: bool = False


def judge(status: Sequence[str]) -> Verdict:
    """The verdict on one file by gpg's status lines, without their prefix.

    Every signature must be good, and one of them valid by a key that the keyring trusts.
    """
    signatures: list[_Signature] = []
    bad = ""  # the first reason, but a missing key says more than the ERRSIG before it
    for line in status:
        word, _, rest = line.partition(" ")
        if word == "NEWSIG":
            signatures.append(_Signature())
        elif word in _BAD:
            bad = bad if bad and word != "NO_PUBKEY" else _BAD[word]
        elif not signatures:
            continue
        elif word == "GOODSIG":
            signatures[-1].good = True
        elif word == "VALIDSIG":
            signatures[-1].fingerprint = rest.partition(" ")[0]
        elif word in _TRUSTED:
            signatures[-1].trusted = True
    if bad:
        return Verdict(bad)
    if not signatures:
        return Verdict("no signature")
    if not all(one.good and one.fingerprint for one in signatures):
        return Verdict("a signature that is not valid")
    trusted = frozenset(one.fingerprint for one in signatures if one.trusted)
    if not trusted:
        return Verdict(f"signed by {signatures[0].fingerprint}, which the verification keyring has but does not trust")
    return Verdict(None, trusted)


def check_signatures(packages: Sequence[Signed], policy: SignaturePolicy, *, thorough: bool = False) -> dict[str, str]:
    """The paths whose signatures are not accepted, with the reason; ``thorough`` puts every signature to gpg.

    Raises VerificationUnavailableError.
    """
    refused: dict[str, str] = {}
    doubtful: list[Signed] = []
    manifests = [one.manifest for one in packages]
    verdicts = {} if thorough or not policy.accepted else _known(manifests, policy.accepted)
    asked = [manifest for manifest in manifests if manifest not in verdicts]
    verdicts.update(zip(asked, _verify(asked, policy), strict=True))
    for package in packages:
        verdict = verdicts[package.manifest]
        if verdict.reason is not None:
            refused[package.path] = f"Manifest: {verdict.reason}"
        elif thorough or not _evident(package, verdict.keys):
            doubtful.append(package)
    messages: dict[str, bytes] = {}
    for package in doubtful:
        try:
            messages[package.path] = signed_message(binary_signature(package.signature), package.metadata)
        except ValueError as error:
            refused[package.path] = f"metadata: {error}"
    for path, verdict in zip(messages, _verify(list(messages.values()), policy), strict=True):
        if verdict.reason is not None:
            refused[path] = f"metadata: {verdict.reason}"
    return refused


def _evident(package: Signed, keys: frozenset[str]) -> bool:
    try:
        packet = parse_signature(binary_signature(package.signature))
    except ValueError:
        return False
    return packet is not None and packet.fingerprint in keys and packet.fits(package.metadata)


def _known(manifests: Iterable[bytes], accepted: Mapping[bytes, Verdict]) -> dict[bytes, Verdict]:
    found = ((manifest, accepted.get(hashlib.blake2b(manifest).digest())) for manifest in manifests)
    return {manifest: verdict for manifest, verdict in found if verdict is not None}


def _verify(messages: Sequence[bytes], policy: SignaturePolicy) -> list[Verdict]:
    return [judge(status) for status in status_of(messages, policy)]


def status_of(messages: Sequence[bytes], policy: SignaturePolicy, *, fd: int = 2) -> list[list[str]]:
    """gpg's status lines, without their prefix, for each of ``messages``; the command has gpg write them to ``fd``.

    Raises VerificationUnavailableError.
    """
    if not messages:
        return []
    with contextlib.ExitStack() as stack:
        files = [f"/proc/self/fd/{stack.enter_context(in_memory(message))}" for message in messages]
        status: dict[str, list[str]] = {}
        while len(status) < len(files):
            # In batch mode gpg ends at the first bad signature; the next run checks the files after it.
            rest = [file for file in files if file not in status]
            # One file at which gpg crashes does not keep it from all others.
            status |= _run(policy, rest, fd) or _run(policy, rest[:1], fd) or {rest[0]: [_CRASHED]}
    return [status[file] for file in files]


def dropped(policy: SignaturePolicy) -> dict[str, str]:
    """The user and group that gpg runs as, for subprocess."""
    return {name: value for name, value in (("user", policy.user), ("group", policy.group)) if value is not None}


def _run(policy: SignaturePolicy, files: Sequence[str], fd: int) -> dict[str, list[str]]:
    """gpg's status lines for each of ``files`` (descriptors) that it reached, at least one file; none if it was killed at the
    first.

    Raises VerificationUnavailableError.
    """
    command = (*policy.command, "--multifile", "--", *files)
    # A file takes what gpg says: it writes twenty lines a signature one by one, and a pipe would wake this process for each.
    with in_memory() as said:
        try:
            process = subprocess.Popen(  # type: ignore[call-overload]
                command,
                stdin=subprocess.DEVNULL,
                stdout=said if fd == 1 else subprocess.DEVNULL,
                stderr=said if fd == 2 else subprocess.DEVNULL,
                env=dict(policy.environment),
                pass_fds=[int(file.rpartition("/")[2]) for file in files],
                **dropped(policy),
            )
            status = _ended(process, limits.GPG_SECONDS)
        except (OSError, KeyError, LookupError, subprocess.TimeoutExpired) as error:
            raise VerificationUnavailableError(policy.command[0] if policy.command else "gpg", str(error)) from error
        with open(said, "rb", closefd=False) as file:
            file.seek(0)
            lines = file.read().decode("utf-8", "replace").split("\n")
    result: dict[str, list[str]] = {}
    current = ""
    for line in lines:
        if not line.startswith(_STATUS):
            continue
        text = line[len(_STATUS) :]
        if text.startswith("FILE_START "):
            current = text.split(" ", 2)[2]
            result.setdefault(current, [])
        elif text.startswith("FILE_DONE"):
            current = ""
        elif current:
            result[current].append(text)
    result = {file: lines for file, lines in result.items() if file in files}
    if status < 0 and current in result:
        # What a killed gpg has not said yet of this file is not known.
        del result[current]
    elif not result:
        tail = [line for line in lines if line.strip()]
        raise VerificationUnavailableError(policy.command[0], tail[-1] if tail else f"status {status}")
    return result


def _ended(process: subprocess.Popen[bytes], seconds: float) -> int:
    """The exit status of ``process``; after ``seconds`` it is killed. Raises subprocess.TimeoutExpired, OSError."""
    with process:
        try:
            # Popen.wait would look every 50 ms. A kernel without pidfd_open(2) is older than 5.3.
            with contextlib.suppress(OSError):
                fd = os.pidfd_open(process.pid)
                try:
                    ready, _, _ = select.select([fd], [], [], seconds)
                finally:
                    os.close(fd)
                if not ready:
                    raise subprocess.TimeoutExpired(process.args, seconds)
            return process.wait(seconds)
        finally:
            process.kill()
