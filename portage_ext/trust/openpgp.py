"""OpenPGP verdicts: each signature is judged by its VALIDSIG fingerprint against pinned keys, never by gpg's exit status.

A pin names a primary key. A signature by a subkey is accepted because of the primary key in its VALIDSIG line, which gpg prints
only if the subkey has also certified the primary key. It is not enough that a key claims a subkey, or that the fingerprint of a
subkey is pinned.

The status lines of gpg (doc/DETAILS in GnuPG) become one value per signature, and ``judge`` says which signature is trusted.
Only the fixed fields of a status line are read. A user id comes last in its line and gpg escapes line ends in it, so it cannot
imitate another line; no decision depends on it.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence
from typing import Final

from portage_ext.errors.trust import (
    BadSignatureError,
    ExpiredKeyError,
    ExpiredSignatureError,
    NoPinnedKeyError,
    RevokedKeyError,
    ThresholdError,
    TrustError,
    UnknownKeyError,
    UnsignedError,
    UntrustedKeyError,
    WeakSignatureError,
)
from portage_ext.records import record, replace

STATUS_PREFIX: Final = "[GNUPG:] "
STRONG_HASHES: Final = frozenset({8, 9, 10})
"""SHA256, SHA384, SHA512 by their OpenPGP numbers (RFC 4880, 9.4)."""
_NUMBER: Final = re.compile(r"[0-9]{1,12}")
_DATA_CLASSES: Final = frozenset({"00", "01"})
"""Signatures over binary and over text documents (RFC 4880, 5.2.1)."""


class Verdict(enum.Enum):
    """The result of gpg for one signature."""

    GOOD = "GOODSIG"
    BAD = "BADSIG"
    EXPIRED_SIGNATURE = "EXPSIG"
    EXPIRED_KEY = "EXPKEYSIG"
    REVOKED_KEY = "REVKEYSIG"
    UNCHECKED = "ERRSIG"
    CRASHED = "CRASHED"  # no word of gpg's (trust/gpg)


@record
class Signature:
    """One signature. ``fingerprint`` is the key that made it, and ``primary`` is the primary key that this key belongs to.

    Both are empty if gpg could not check the signature; then only ``keyid`` is known. ``created`` is in seconds
    since the epoch, ``hash_algorithm`` and ``signature_class`` as RFC 4880 numbers them.
    """

    verdict: Verdict
    keyid: str = ""
    fingerprint: str = ""
    primary: str = ""
    created: int = 0
    hash_algorithm: int = 0
    signature_class: str = ""

    def by_any_of(self, keys: frozenset[str]) -> bool:
        """Whether gpg checked the signature and its primary key is one of ``keys``."""
        return bool(self.fingerprint) and self.primary in keys


def signatures(status: Iterable[str]) -> tuple[Signature, ...]:
    """The signatures in gpg's status lines, in the same order. Other kinds of lines are ignored."""
    found: list[Signature] = []
    for line in status:
        if not line.startswith(STATUS_PREFIX):
            continue
        keyword, *fields = line[len(STATUS_PREFIX) :].split(" ")
        if keyword in Verdict._value2member_map_:
            keyid = fields[0] if fields else ""
            primary = fields[6] if keyword == "ERRSIG" and len(fields) > 6 and fields[6] != "-" else ""
            found.append(Signature(Verdict(keyword), keyid.upper(), "", primary.upper() if keyword == "ERRSIG" else ""))
        elif keyword == "VALIDSIG" and found and not found[-1].fingerprint:
            found[-1] = _validated(found[-1], fields)
    return tuple(found)


def _validated(signature: Signature, fields: Sequence[str]) -> Signature:
    """``signature`` with the values of its VALIDSIG line. A line that lacks fields or is of another signature is ignored."""
    if len(fields) < 9 or not (_NUMBER.fullmatch(fields[2]) and _NUMBER.fullmatch(fields[7])):
        return signature
    fingerprint = fields[0].upper()
    if not fingerprint.endswith(signature.keyid):
        return signature
    primary = fields[9].upper() if len(fields) > 9 else fingerprint
    return replace(
        signature,
        fingerprint=fingerprint,
        primary=primary,
        created=int(fields[2]),
        hash_algorithm=int(fields[7]),
        signature_class=fields[8],
    )


def judge(found: Sequence[Signature], trusted: frozenset[str], where: str) -> Signature:
    """Return the trusted signature: it is good, uses a strong digest, and was made by one of ``trusted`` (fingerprints).

    If any other signature is bad, all are refused, because somebody changed the data. Signatures by unknown keys do no harm:
    during a rotation there is one by the old and one by the new key. Raises the TrustError that explains most.
    """
    if not trusted:
        raise NoPinnedKeyError(where, "no key is pinned for it")
    if not found:
        raise UnsignedError(where, "there is no signature")
    for signature in found:
        if signature.verdict is Verdict.BAD:
            raise BadSignatureError(where, f"the signature by key {signature.keyid} does not fit the signed text")
        if signature.verdict is Verdict.CRASHED:
            raise BadSignatureError(where, "gpg crashed while it checked the signature")
    for signature in found:
        if signature.verdict is Verdict.GOOD and signature.by_any_of(trusted) and _sound(signature):
            return signature
    raise _reason(found, trusted, where)


def vouching(found: Sequence[Signature], trusted: frozenset[str], threshold: int, where: str) -> frozenset[str]:
    """The primary keys whose signatures are trusted; there must be at least ``threshold`` of them.

    Several signatures by one key or its subkeys count once. Raises the errors of :func:`judge`, and ThresholdError.
    """
    judge(found, trusted, where)
    good = [one for one in found if one.verdict is Verdict.GOOD and one.by_any_of(trusted) and _sound(one)]
    keys = frozenset(one.primary for one in good)
    if len(keys) < threshold:
        by = ", ".join(sorted(keys))
        raise ThresholdError(where, f"{threshold} of {len(trusted)} trusted keys must sign it, and {len(keys)} did ({by})")
    return keys


def expired_keys(found: Sequence[Signature], trusted: frozenset[str]) -> frozenset[str]:
    """Those of ``trusted`` whose signatures do not count because the key, in the version that this host has, is expired."""
    return frozenset(one.primary for one in found if one.verdict is Verdict.EXPIRED_KEY and one.by_any_of(trusted))


def _sound(signature: Signature) -> bool:
    return signature.hash_algorithm in STRONG_HASHES and signature.signature_class in _DATA_CLASSES


def _reason(found: Sequence[Signature], trusted: frozenset[str], where: str) -> TrustError:
    """Why none of ``found`` is trusted. A problem with a trusted key's signature is reported before other problems."""
    for signature in (one for one in found if one.by_any_of(trusted)):
        key = f"the signature by the pinned key {signature.primary}"
        match signature.verdict:
            case Verdict.REVOKED_KEY:
                return RevokedKeyError(where, f"{key} does not count: the key is revoked")
            case Verdict.EXPIRED_KEY:
                return ExpiredKeyError(where, f"{key} does not count: the key has expired")
            case Verdict.EXPIRED_SIGNATURE:
                return ExpiredSignatureError(where, f"{key} has expired")
            case Verdict.GOOD:
                return WeakSignatureError(
                    where, f"{key} uses digest {signature.hash_algorithm} or class {signature.signature_class}, too weak"
                )
    for signature in found:
        if signature.fingerprint:
            return UntrustedKeyError(where, f"it is signed by {signature.primary}, a key that is present but not pinned for it")
    named = ", ".join(sorted({one.primary or one.keyid for one in found}))
    return UnknownKeyError(where, f"it is signed only by unknown keys: {named}")
