"""The state machine that decides whether a Release is believed. It does no I/O: bytes, verdicts, clock and memory come in.

The rules, in the order in which they are applied, for a binrepo with pinned keys and what this host has Seen of it:

1. A repository that once had a Release is never again accepted without one; nor is any other, unless that is allowed.
2. The Release is signed by a key that is trusted now: the pinned ones, as rotated by Releases signed with trusted keys.
3. It is of the repository and channel seen before.
4. Its version does not go back; an equal version has equal bytes; it does not leap out of reach.
5. It was created before now, and expires after now.
6. The index is the one it names, form and content.

Where root keys are pinned, the root that is followed (trust/roots.py) stands for the pins: its release keys are what is
trusted, as many of them must have signed as it says, its repository is the one, no version below its least one counts, and what
a Release says of the keys after it means nothing. What was seen binds as long as one of those who signed it is named.

A key that a Release announced is trusted by way of the key that signed that Release, and so on up to a pinned key. When the
administrator takes a key out, every key goes with it that has no other way up to a pinned one; and no Release brings the key
itself back. What was seen under a key that went counts no more (rules 3 and 4): with a stolen key somebody may have published
a version that no later one can pass, and this is the way back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from portage_ext import limits
from portage_ext.errors.trust import (
    ClockError,
    EquivocationError,
    ExpiredReleaseError,
    FarFutureVersionError,
    ForeignRepositoryError,
    IndexMismatchError,
    MalformedReleaseError,
    MissingReleaseError,
    RollbackError,
)
from portage_ext.model.release import IndexFile, Release
from portage_ext.model.root import Root
from portage_ext.trust import openpgp
from portage_ext.trust import release as release_text
from portage_ext.words import second


@dataclass(frozen=True, slots=True)
class Seen:
    """What this host remembers of a binrepo: its last accepted Release, which trusted key signed it, the keys valid after it.

    ``pins`` are the pinned keys as they were then, so that later changes by the administrator are told from rotation.
    ``digest`` is the SHA512 of the Release's bytes. ``announced`` holds, for each key that came by rotation, the keys that
    signed a Release which names it: (key, signer). ``removed`` are keys that the administrator took out.
    """

    repository: str
    channel: str
    version: int
    created: int
    digest: str
    signer: str
    keys: frozenset[str]
    pins: frozenset[str]
    announced: frozenset[tuple[str, str]] = frozenset()
    removed: frozenset[str] = frozenset()
    cosigners: frozenset[str] = frozenset()
    """The trusted keys that have signed beside ``signer``."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a binrepo is believed: its name, its pinned primary keys, and what the administrator asks of it."""

    binrepo: str
    pins: frozenset[str]
    required: bool = True
    channel: str | None = None
    root: Root | None = None
    """What delegates to ``pins``, where root keys are pinned."""


def delegated(terms: Terms, root: Root) -> Terms:
    """``terms`` as ``root`` makes them: its release keys stand for the pins. A binhost that has a root has a Release."""
    return replace(terms, pins=frozenset(root.release_keys), required=True, root=root)


def trusted_keys(pins: frozenset[str], seen: Seen | None) -> frozenset[str]:
    """The keys believed now: those valid after the last Release, and on top the changes made to the pins since."""
    if seen is None:
        return pins
    return (seen.keys & grounded_keys(pins, seen)) | (pins - seen.pins)


def grounded_keys(pins: frozenset[str], seen: Seen | None) -> frozenset[str]:
    """The pinned keys, and every key that they ever announced, or keys that they announced, by way of no key taken out."""
    if seen is None:
        return pins
    by_signer: dict[str, list[str]] = {}
    for key, signer in seen.announced:
        by_signer.setdefault(signer, []).append(key)
    gone, found, waiting = _removed(pins, seen), set(pins), list(pins)
    while waiting:
        following = {key for key in by_signer.get(waiting.pop(), ()) if key not in found and key not in gone}
        found |= following
        waiting += following
    return frozenset(found)


def counts(pins: frozenset[str], seen: Seen | None) -> bool:
    """Whether what was seen binds: not when it was forgotten, or all who signed it have gone with a key taken out."""
    return _vouched(grounded_keys(pins, seen), seen)


def binds(terms: Terms, seen: Seen | None) -> bool:
    """The same on ``terms``: beside a root no chain leads to a key, and who has signed must be named."""
    if terms.root is None:
        return counts(terms.pins, seen)
    return _vouched(terms.pins, seen)


def _vouched(keys: frozenset[str], seen: Seen | None) -> bool:
    """Whether one of ``keys`` has signed what was seen. Which of several signatures comes first is up to the mirror."""
    return seen is not None and seen.version > 0 and not keys.isdisjoint({seen.signer, *seen.cosigners})


def signed_by_those_before(before: Seen | None, after: Seen) -> bool:
    """Whether all who have signed ``after`` had signed ``before``, too: it then binds as long as ``after`` does."""
    return before is not None and {after.signer, *after.cosigners} <= {before.signer, *before.cosigners}


def _removed(pins: frozenset[str], seen: Seen | None) -> frozenset[str]:
    return frozenset() if seen is None else (seen.removed | (seen.pins - pins)) - pins


def without_release(terms: Terms, seen: Seen | None) -> None:
    """The binrepo offers no Release: rule 1. Raises MissingReleaseError."""
    if seen is not None:
        raise MissingReleaseError(terms.binrepo, f"it publishes no Release, but had one (version {seen.version}) before")
    if terms.required:
        raise MissingReleaseError(terms.binrepo, "it publishes no Release")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A believed Release. ``seen`` is to be remembered at once, before the index is asked for."""

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
    keys = terms.pins if terms.root is not None else trusted_keys(terms.pins, seen)
    signature = openpgp.judge(found, keys, terms.binrepo)
    signers = openpgp.vouching(found, keys, terms.root.release_threshold if terms.root is not None else 1, terms.binrepo)
    release = release_text.parse(data, terms.binrepo)
    digest = hashlib.sha512(data).hexdigest()
    binding = seen if binds(terms, seen) else None
    _same_repository(terms, binding, release)
    _forward(terms, binding, release, digest)
    _in_time(terms.binrepo, release, now)
    if seen is not None and digest == seen.digest:
        # Nobody gets a signature taken back by leaving it out the next time.
        signers |= keys & {seen.signer, *seen.cosigners}
    following = _keys_after(terms, seen, release, digest, keys)
    return Accepted(
        release,
        Seen(
            repository=release.repository,
            channel=release.channel,
            version=release.version,
            created=release.created,
            digest=digest,
            signer=signature.primary,
            keys=following,
            pins=terms.pins,
            announced=_announced_after(terms, seen, release, signature.primary, following),
            removed=_removed(terms.pins, seen),
            cosigners=signers - {signature.primary},
        ),
    )


def _keys_after(terms: Terms, seen: Seen | None, release: Release, digest: str, keys: frozenset[str]) -> frozenset[str]:
    """The keys valid after ``release``: those it names. It could not yet know of keys that were pinned since the last one,
    and drops none when it is the last one itself."""
    if terms.root is not None or not release.keys_next:
        return keys
    named = frozenset(release.keys_next) - _removed(terms.pins, seen)
    if seen is None:
        return named
    return named | (keys if digest == seen.digest else terms.pins - seen.pins)


def _announced_after(
    terms: Terms, seen: Seen | None, release: Release, signer: str, keys: frozenset[str]
) -> frozenset[tuple[str, str]]:
    """Who announced whom, as far as it leads up to a pinned key. Raises MalformedReleaseError when it is more than is kept."""
    known = grounded_keys(terms.pins, seen)
    before = frozenset[tuple[str, str]]() if seen is None else seen.announced
    found = {(key, by) for key, by in before if key in known and by in known}
    found |= {(key, signer) for key in release.keys_next if key in keys and key != signer and key not in terms.pins}
    if len(found) > limits.MAX_ANNOUNCED:
        # Keys that were retired long ago are forgotten before anything is refused.
        found = _leading_to(keys | {signer}, found)
    if len(found) > limits.MAX_ANNOUNCED:
        raise MalformedReleaseError(terms.binrepo, f"its Releases announced more than {limits.MAX_ANNOUNCED} keys")
    return frozenset(found)


def _leading_to(keys: frozenset[str], announced: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of ``announced`` that the chains of ``keys`` consist of."""
    wanted = set(keys)
    while more := {by for key, by in announced if key in wanted} - wanted:
        wanted |= more
    return {(key, by) for key, by in announced if key in wanted}


def forgotten(pins: frozenset[str], seen: Seen | None = None) -> Seen:
    """Memory of a binrepo without repository, version and rotated keys: only that there once was a Release (rule 1), and which
    keys the administrator took out."""
    return Seen("", "", 0, 0, "", "", pins, pins, removed=_removed(pins, seen))


def _same_repository(terms: Terms, seen: Seen | None, release: Release) -> None:
    if terms.channel is not None and release.channel != terms.channel:
        raise ForeignRepositoryError(terms.binrepo, f"it offers channel {release.channel}, not {terms.channel}")
    if terms.root is not None and release.repository != terms.root.repository:
        raise ForeignRepositoryError(
            terms.binrepo, f"it offers repository {release.repository}; its root is of {terms.root.repository}"
        )
    if seen is None:
        return
    if release.repository != seen.repository:
        raise ForeignRepositoryError(terms.binrepo, f"it offers repository {release.repository}, not {seen.repository}")
    if terms.channel is None and release.channel != seen.channel:
        raise ForeignRepositoryError(terms.binrepo, f"it offers channel {release.channel}, not {seen.channel}")


def _forward(terms: Terms, seen: Seen | None, release: Release, digest: str) -> None:
    where = terms.binrepo
    if terms.root is not None and release.version < terms.root.least_release:
        least = terms.root.least_release
        raise RollbackError(where, f"it offers Release {release.version}, but its root counts none before {least}")
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
        raise ClockError(
            where, f"its Release was created at {second(release.created)}, but this host's clock says {second(now)}"
        )
    if release.expires <= now:
        raise ExpiredReleaseError(
            where, f"its Release expired at {second(release.expires)}; this host's clock says {second(now)}"
        )
