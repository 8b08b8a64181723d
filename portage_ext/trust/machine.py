"""This state machine decides whether a Release is trusted. It does no I/O: bytes, verdicts, time and memory are passed in.

The rules, in the order in which they are applied, for a binrepo with pinned keys and what this host has seen of it (``Seen``):

1. A repository that once had a Release is never accepted without one again. A repository that never had one is accepted
   without a Release only if the settings allow it.
2. The Release must be signed by a key that is trusted now: a pinned key, or a key that replaced it by rotation, which means
   that a Release signed by a trusted key announced it.
3. It must belong to the same repository and channel as the Release seen before.
4. Its version must not be lower than the last one. A Release with the same version must have the same bytes. A version so high
   that no later one could follow is refused.
5. It must have been created before now and expire after now.
6. The index must be one of the forms that the Release names, with the same content.

If root keys are pinned, the root that is followed (trust/roots.py) replaces the pins: its release keys are the trusted keys,
its threshold says how many of them must have signed, the repository must be the one that it names, no version below its
Least-Release is accepted, and the keys that a Release announces are ignored. The Release seen before counts (rules 3 and 4) as
long as the root names at least one of the keys that signed it.

An announced key is trusted because of the key that signed the announcing Release, and so on, in a chain that must lead to a
pinned key. When the administrator removes a key, every key without another chain to a pinned key is removed too, and no Release
can bring the removed key back. What was seen under a removed key no longer counts (rules 3 and 4). This lets a host recover:
a thief of the key may have published a version so high that no honest Release could follow it.
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
    """What this host remembers of a binrepo: its last accepted Release, the trusted key that signed it, and the next valid
    keys.

    ``pins`` are the keys that were pinned at that time, to distinguish later changes by the administrator from rotation.
    ``digest`` is the SHA512 of the Release's bytes. ``announced`` holds pairs (key, signer): ``signer`` signed a Release that
    announced ``key``. ``removed`` are keys that the administrator removed.
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
    """The other trusted keys that signed the same Release as ``signer``."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The conditions under which a binrepo is trusted: its name, its pinned primary keys, and the administrator's settings."""

    binrepo: str
    pins: frozenset[str]
    required: bool = True
    channel: str | None = None
    root: Root | None = None
    """The root that names the keys in ``pins``; None if no root keys are pinned."""


def delegated(terms: Terms, root: Root) -> Terms:
    """``terms`` with the release keys of ``root`` in place of the pins. A binhost with a root must also have a Release."""
    return replace(terms, pins=frozenset(root.release_keys), required=True, root=root)


def trusted_keys(pins: frozenset[str], seen: Seen | None) -> frozenset[str]:
    """The keys trusted now: the keys valid after the last Release, with the changes that were made to the pins since then."""
    if seen is None:
        return pins
    return (seen.keys & grounded_keys(pins, seen)) | (pins - seen.pins)


def grounded_keys(pins: frozenset[str], seen: Seen | None) -> frozenset[str]:
    """The pinned keys, and every key that a chain of announcements connects to them without passing through a removed key."""
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
    """Whether the Release seen before still counts. It does not if it was forgotten, or if all keys that signed it were removed
    (directly, or together with another removed key)."""
    return _vouched(grounded_keys(pins, seen), seen)


def binds(terms: Terms, seen: Seen | None) -> bool:
    """Whether the Release seen before still counts under ``terms``. With a root there are no chains of announced keys: the root
    itself must name a key that signed it."""
    if terms.root is None:
        return counts(terms.pins, seen)
    return _vouched(terms.pins, seen)


def _vouched(keys: frozenset[str], seen: Seen | None) -> bool:
    """Whether one of ``keys`` signed the Release seen before. Every signer counts, because a mirror can reorder signatures."""
    return seen is not None and seen.version > 0 and not keys.isdisjoint({seen.signer, *seen.cosigners})


def signed_by_those_before(before: Seen | None, after: Seen) -> bool:
    """Whether every signer of ``after`` also signed ``before``. If so, ``before`` counts for as long as ``after`` does."""
    return before is not None and {after.signer, *after.cosigners} <= {before.signer, *before.cosigners}


def _removed(pins: frozenset[str], seen: Seen | None) -> frozenset[str]:
    return frozenset() if seen is None else (seen.removed | (seen.pins - pins)) - pins


def without_release(terms: Terms, seen: Seen | None) -> None:
    """Apply rule 1 to a binrepo that offers no Release. Raises MissingReleaseError if it must have one."""
    if seen is not None:
        raise MissingReleaseError(terms.binrepo, f"it publishes no Release, but had one (version {seen.version}) before")
    if terms.required:
        raise MissingReleaseError(terms.binrepo, "it publishes no Release")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A trusted Release. The caller must save ``seen`` at once, before it fetches the index."""

    release: Release
    seen: Seen

    def check(self, form: str, size: int, blake2b: str, sha512: str, where: str) -> None:
        """Apply rule 6 to one form of the index; ``size`` is in bytes. Raises IndexMismatchError, also for a form that the
        Release does not name."""
        try:
            expected = self.release.form(form)
        except KeyError:
            raise IndexMismatchError(where, f"the Release names no {form}") from None
        if IndexFile(form, size, blake2b, sha512) != expected:
            raise IndexMismatchError(where, f"{form} is not the one that Release {self.release.version} names")


def accept(terms: Terms, seen: Seen | None, data: bytes, found: Sequence[openpgp.Signature], now: int) -> Accepted:
    """Apply rules 2 to 5 to the bytes of a Release and the verdicts on its signatures; ``now`` is in seconds since the epoch.

    The signatures are judged before the text is parsed. Raises the TrustError that is named after the broken rule.
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
        # The Release is the same as before, so a mirror that omits a signature does not make us forget it.
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
    """The keys valid after ``release``: those that it names, and keys that were pinned since the last Release, which it could
    not know. If it is the last Release itself, no key is dropped."""
    if terms.root is not None or not release.keys_next:
        return keys
    named = frozenset(release.keys_next) - _removed(terms.pins, seen)
    if seen is None:
        return named
    return named | (keys if digest == seen.digest else terms.pins - seen.pins)


def _announced_after(
    terms: Terms, seen: Seen | None, release: Release, signer: str, keys: frozenset[str]
) -> frozenset[tuple[str, str]]:
    """The pairs (key, signer) of announcements that lead to a pinned key. Raises MalformedReleaseError if they exceed the limit
    of what is kept."""
    known = grounded_keys(terms.pins, seen)
    before = frozenset[tuple[str, str]]() if seen is None else seen.announced
    found = {(key, by) for key, by in before if key in known and by in known}
    found |= {(key, signer) for key in release.keys_next if key in keys and key != signer and key not in terms.pins}
    if len(found) > limits.MAX_ANNOUNCED:
        # Drop keys that were retired long ago first; only then refuse if there are still too many.
        found = _leading_to(keys | {signer}, found)
    if len(found) > limits.MAX_ANNOUNCED:
        raise MalformedReleaseError(terms.binrepo, f"its Releases announced more than {limits.MAX_ANNOUNCED} keys")
    return frozenset(found)


def _leading_to(keys: frozenset[str], announced: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those pairs of ``announced`` that are part of a chain of one of ``keys``."""
    wanted = set(keys)
    while more := {by for key, by in announced if key in wanted} - wanted:
        wanted |= more
    return {(key, by) for key, by in announced if key in wanted}


def forgotten(pins: frozenset[str], seen: Seen | None = None) -> Seen:
    """A memory without repository, version and rotated keys. It keeps only that there was a Release (rule 1) and which keys the
    administrator removed."""
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
