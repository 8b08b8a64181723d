"""The state machine that decides whether a Release is believed. It does no I/O: bytes, verdicts, clock and memory come in.

The rules, in the order in which they are applied, for a binrepo with pinned keys and what this host has Seen of it:

1. A repository that once had a Release is never again accepted without one; nor is any other, unless that is allowed.
2. The Release is signed by a key that is trusted now: the pinned ones, as rotated by Releases signed with trusted keys.
3. It is of the repository and channel seen before.
4. Its version does not go back; an equal version has equal bytes; it does not leap out of reach.
5. It was created before now, and expires after now.
6. The index is the one it names, form and content.

What was seen under a key that the administrator has since taken out of the pins counts no more (rules 3 and 4): with
a stolen key somebody may have published a version that no later one can pass, and this is the way back.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from portage_ext import limits
from portage_ext.errors.trust import (
    ClockError,
    EquivocationError,
    ExpiredReleaseError,
    FarFutureVersionError,
    ForeignRepositoryError,
    IndexMismatchError,
    MissingReleaseError,
    RollbackError,
)
from portage_ext.model.release import IndexFile, Release
from portage_ext.trust import openpgp
from portage_ext.trust import release as release_text


@dataclass(frozen=True, slots=True)
class Seen:
    """What this host remembers of a binrepo: its last accepted Release, which trusted key signed it, the keys valid after it.

    ``pins`` are the pinned keys as they were then, so that later changes by the administrator are told from rotation.
    ``digest`` is the SHA512 of the Release's bytes.
    """

    repository: str
    channel: str
    version: int
    created: int
    digest: str
    signer: str
    keys: frozenset[str]
    pins: frozenset[str]


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a binrepo is believed: its name, its pinned primary keys, and what the administrator asks of it."""

    binrepo: str
    pins: frozenset[str]
    required: bool = True
    channel: str | None = None


def trusted_keys(pins: frozenset[str], seen: Seen | None) -> frozenset[str]:
    """The keys believed now: those valid after the last Release, and on top the changes made to the pins since."""
    if seen is None:
        return pins
    return (seen.keys | (pins - seen.pins)) - (seen.pins - pins)


def without_release(terms: Terms, seen: Seen | None) -> None:
    """The binrepo offers no Release: rule 1. Raises MissingReleaseError."""
    if seen is not None:
        raise MissingReleaseError(terms.binrepo, f"it publishes no Release, but had one (version {seen.version}) before")
    if terms.required:
        raise MissingReleaseError(terms.binrepo, "it publishes no Release")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A believed Release. ``seen`` is to be remembered once the index was checked too."""

    release: Release
    seen: Seen

    def check(self, form: str, size: int, blake2b: str, sha512: str, where: str) -> None:
        """Rule 6 for one form of the index. Raises IndexMismatchError, also for a form that the Release does not name."""
        try:
            expected = self.release.form(form)
        except KeyError:
            raise IndexMismatchError(where, f"the Release names no {form}") from None
        if IndexFile(form, size, blake2b, sha512) != expected:
            raise IndexMismatchError(where, f"{form} is not the one that Release {self.release.version} names")


def accept(terms: Terms, seen: Seen | None, data: bytes, found: Sequence[openpgp.Signature], now: int) -> Accepted:
    """Rules 2 to 5 for the bytes of a Release and the verdicts on its signatures; ``now`` in seconds since the epoch.

    The signature is judged before a byte of the text is parsed. Raises a TrustError named after the rule broken.
    """
    keys = trusted_keys(terms.pins, seen)
    signature = openpgp.judge(found, keys, terms.binrepo)
    release = release_text.parse(data, terms.binrepo)
    digest = hashlib.sha512(data).hexdigest()
    counts = seen if _counts(terms, seen) else None
    _same_repository(terms, counts, release)
    _forward(terms.binrepo, counts, release, digest)
    _in_time(terms.binrepo, release, now)
    return Accepted(
        release,
        Seen(
            repository=release.repository,
            channel=release.channel,
            version=release.version,
            created=release.created,
            digest=digest,
            signer=signature.primary if signature.primary in keys else signature.fingerprint,
            keys=_keys_after(terms, seen, release, digest, keys),
            pins=terms.pins,
        ),
    )


def _keys_after(terms: Terms, seen: Seen | None, release: Release, digest: str, keys: frozenset[str]) -> frozenset[str]:
    """The keys valid after ``release``: those it names. It could not yet know of keys that were pinned since the last one,
    and says nothing new when it is the last one itself."""
    if not release.keys_next or (seen is not None and digest == seen.digest):
        return keys
    return frozenset(release.keys_next) | (terms.pins - seen.pins if seen is not None else frozenset())


def forgotten(pins: frozenset[str]) -> Seen:
    """Memory of a binrepo without repository, version and rotated keys: only that there once was a Release (rule 1)."""
    return Seen("", "", 0, 0, "", "", pins, pins)


def _counts(terms: Terms, seen: Seen | None) -> bool:
    """Whether what was seen binds: not when it was forgotten, or signed by a key that was since taken out of the pins."""
    return seen is not None and seen.version > 0 and seen.signer not in seen.pins - terms.pins


def _same_repository(terms: Terms, seen: Seen | None, release: Release) -> None:
    if terms.channel is not None and release.channel != terms.channel:
        raise ForeignRepositoryError(terms.binrepo, f"it offers channel {release.channel}, not {terms.channel}")
    if seen is None:
        return
    if release.repository != seen.repository:
        raise ForeignRepositoryError(terms.binrepo, f"it offers repository {release.repository}, not {seen.repository}")
    if terms.channel is None and release.channel != seen.channel:
        raise ForeignRepositoryError(terms.binrepo, f"it offers channel {release.channel}, not {seen.channel}")


def _forward(where: str, seen: Seen | None, release: Release, digest: str) -> None:
    if seen is None:
        return
    if release.version < seen.version:
        raise RollbackError(where, f"it offers Release {release.version}, but version {seen.version} was seen before")
    if release.version == seen.version and digest != seen.digest:
        raise EquivocationError(where, f"its Release {release.version} differs from the Release {release.version} seen before")
    if release.version > seen.version + limits.MAX_VERSION_JUMP:
        raise FarFutureVersionError(where, f"its Release leaps from version {seen.version} to {release.version}")


def _in_time(where: str, release: Release, now: int) -> None:
    if release.created > now + limits.CLOCK_SKEW:
        raise ClockError(where, f"its Release was created at {_utc(release.created)}, but this host's clock says {_utc(now)}")
    if release.expires <= now:
        raise ExpiredReleaseError(where, f"its Release expired at {_utc(release.expires)}; this host's clock says {_utc(now)}")


def _utc(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
