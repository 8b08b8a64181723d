"""Obtain a binrepo's index: Release, signature, memory, index, entries; each step believes only what the one before bound.

A mirror is taken as a whole: Release and index of one mirror fit each other or the next mirror is asked. When no mirror
can be reached, the index seen last is used as long as its Release has not expired; when one was reached and refused, it is
not: a refusal stops.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from portage_ext import files, limits
from portage_ext.errors import InvalidIndexError
from portage_ext.fetch import keys, roots
from portage_ext.fetch.binrepo import Binrepo, locked, writable
from portage_ext.fetch.sinks import MemorySink
from portage_ext.fetch.transfer import backoff
from portage_ext.index.expand import expand
from portage_ext.index.text import parse_index
from portage_ext.model.release import INDEX_FORMS, PLAIN_FORM, IndexFile, Release
from portage_ext.refusals import (
    AllMirrorsFailedError,
    BadSignatureError,
    DamagedIndexError,
    IndexMismatchError,
    MirrorError,
    MissingRootError,
    NotFoundError,
    TrustError,
    UnknownKeyError,
)
from portage_ext.trust import entries, gpg, remembered
from portage_ext.trust.machine import Accepted, Seen, Terms, accept, binds, trusted_keys, without_release
from portage_ext.trust.release import RELEASE_NAME, SIGNATURE_NAME
from portage_ext.trust.state import Memory

_UNSIGNED_FORMS = ("Packages.gz", "Packages")
"""What binhosts without a Release publish."""


@dataclass(frozen=True, slots=True)
class Obtained:
    """An index that Portage may see, as text; ``fresh`` is False when it is the one seen before, ``bound`` when a Release
    stands behind it."""

    text: bytes
    fresh: bool
    bound: bool = True


def obtain(binrepo: Binrepo, now: int) -> Obtained:
    """The sanitised index of ``binrepo``. Raises the TrustError that refused it, or AllMirrorsFailedError."""
    with locked(binrepo.state):
        return _obtain(binrepo, now)


def refresh(binrepo: Binrepo, now: int) -> Release | None:
    """Look at the Release of ``binrepo`` alone: rotated keys and version are remembered, no index is fetched.

    Returns None where there is none and need not be. Raises the TrustError that refused it, or AllMirrorsFailedError.
    """
    with locked(binrepo.state):
        memory = binrepo.state.load()
        reasons: list[TrustError] = []
        for base in binrepo.bases:
            try:
                accepted = _release(binrepo, memory, base, now)
            except TrustError as error:
                reasons.append(error)
                continue
            if accepted is None:
                return None
            # How long the index that is kept may be used without a mirror, its own Release has said.
            same = memory.index == accepted.release.plain.blake2b
            expires = accepted.release.expires if same else memory.expires
            _remember(binrepo, replace(memory, seen=accepted.seen, expires=expires), None)
            return accepted.release
    refusal = next((error for error in reasons if not isinstance(error, MirrorError)), None)
    raise refusal or AllMirrorsFailedError(f"{binrepo.name}: Release", tuple(reasons))


def _obtain(binrepo: Binrepo, now: int) -> Obtained:
    memory = binrepo.state.load()
    reasons: dict[str, TrustError] = {}
    asked = list(binrepo.bases)
    for round_number in range(binrepo.settings.fetch.retries + 1):
        for base in list(asked):
            try:
                obtained = _from_mirror(binrepo, memory, base, now)
            except TrustError as error:
                reasons[base] = error
                # A mirror in the middle of an update fits together a moment later; what was refused stays refused.
                if not isinstance(error, IndexMismatchError | BadSignatureError | MirrorError) or isinstance(
                    error, NotFoundError
                ):
                    asked.remove(base)
            else:
                _warn(binrepo, reasons, None)
                return obtained
        if not asked or round_number == binrepo.settings.fetch.retries:
            break
        backoff(round_number, limits.MAX_BACKOFF)
    refusal = next((error for error in reasons.values() if not isinstance(error, MirrorError)), None)
    if refusal is not None:
        _warn(binrepo, reasons, refusal)
        raise refusal
    kept = _kept(binrepo)
    binding = memory.seen if _still_binds(binrepo, memory, now) else None
    if binding is not None and kept is not None and remembered.is_bound(kept):
        _warn(binrepo, reasons, None)
        binrepo.warn(f"{binrepo.name}: no mirror can be reached; the index of Release {binding.version} is used again")
        return Obtained(remembered.unmarked(kept), fresh=False)
    raise AllMirrorsFailedError(f"{binrepo.name}: index", tuple(reasons.values()))


def _still_binds(binrepo: Binrepo, memory: Memory, now: int) -> bool:
    """Whether the index seen last may be used: it has not expired, nor has the root that says who may have signed it."""
    try:
        terms = binrepo.terms()
    except MissingRootError:
        return False
    return memory.expires > now and (terms.root is None or terms.root.expires > now) and binds(terms, memory.seen)


def _warn(binrepo: Binrepo, reasons: Mapping[str, TrustError], raised: TrustError | None) -> None:
    """Say why mirrors were passed over, except for the reason that is raised."""
    for error in reasons.values():
        if error is not raised:
            binrepo.warn_of(error)


def _kept(binrepo: Binrepo) -> bytes | None:
    """The index seen last, as it is remembered."""
    try:
        return binrepo.state.index_file.read_bytes()
    except FileNotFoundError:
        return None


def _release(binrepo: Binrepo, memory: Memory, base: str, now: int) -> Accepted | None:
    """The Release of one mirror, and the keys that it announces; None where there is none and need not be."""
    with roots.followed(binrepo, base, now) as (known, terms):
        return _release_under(known, terms, memory, base, now)


def _release_under(binrepo: Binrepo, terms: Terms, memory: Memory, base: str, now: int) -> Accepted | None:
    try:
        release = small(binrepo, base, RELEASE_NAME, limits.MAX_RELEASE_SIZE)
    except NotFoundError:
        without_release(terms, memory.seen)
        return None
    try:
        signature = small(binrepo, base, SIGNATURE_NAME, limits.MAX_SIGNATURE_SIZE)
    except NotFoundError:
        signature = b""
    accepted = _accepted(binrepo, terms, memory.seen, base, release, signature, now)
    keys.fetch_announced(binrepo, base, accepted.seen.keys - terms.pins)
    return accepted


def _from_mirror(binrepo: Binrepo, memory: Memory, base: str, now: int) -> Obtained:
    accepted = _release(binrepo, memory, base, now)
    if accepted is None:
        return _unsigned(binrepo, memory, base, now)
    plain = accepted.release.plain
    following = replace(memory, seen=accepted.seen, expires=accepted.release.expires)
    if memory.index == plain.blake2b and (kept := _kept(binrepo)) is not None and remembered.is_bound(kept):
        _remember(binrepo, following, None)
        return Obtained(remembered.unmarked(kept), fresh=False)
    text = _signed_index(binrepo, accepted, base)
    return _hand_out(binrepo, following, text, plain.blake2b, now, release=accepted.release.version)


def _accepted(
    binrepo: Binrepo, terms: Terms, seen: Seen | None, base: str, release: bytes, signature: bytes, now: int
) -> Accepted:
    def judged() -> Accepted:
        found = gpg.verify_detached(binrepo.keyrings(), signature, release) if signature else ()
        return accept(terms, seen, release, found, now)

    try:
        return judged()
    except UnknownKeyError:
        # A key may be trusted by rotation without having been fetched yet.
        # Beside a root no other key is: what was seen before may be what it has revoked.
        announced = trusted_keys(terms.pins, seen) - terms.pins if terms.root is None else frozenset()
        if seen is None or not keys.fetch_announced(binrepo, base, announced):
            raise
        return judged()


def _signed_index(binrepo: Binrepo, accepted: Accepted, base: str) -> bytes:
    """The plain index that the Release names, by way of the best form that the mirror has."""
    plain = accepted.release.plain
    if plain.size > limits.MAX_OFFERED_INDEX:
        raise DamagedIndexError(base, f"its Release announces an index of {plain.size} bytes")
    failure: TrustError | None = None
    for name in INDEX_FORMS:
        try:
            form = accepted.release.form(name)
            data = small(binrepo, base, name, form.size)
            _check(accepted, name, data, base)
            text = expand(name, data, plain.size, base)
            _check(accepted, PLAIN_FORM, text, base)
        except KeyError:
            continue
        except (NotFoundError, DamagedIndexError) as error:
            failure = error if failure is None or isinstance(failure, NotFoundError) else failure
            continue
        return text
    raise failure or IndexMismatchError(base, "it has no form of the index that its Release names")


def _check(accepted: Accepted, name: str, data: bytes, where: str) -> None:
    found = IndexFile(name, len(data), hashlib.blake2b(data).hexdigest(), hashlib.sha512(data).hexdigest())
    accepted.check(found.name, found.size, found.blake2b, found.sha512, where)


def _unsigned(binrepo: Binrepo, memory: Memory, base: str, now: int) -> Obtained:
    """The index of a binrepo that publishes no Release and need not: everything that can be checked without one still is."""
    for name in _UNSIGNED_FORMS:
        try:
            limit = limits.MAX_OFFERED_INDEX if name == PLAIN_FORM else limits.MAX_OFFERED_FORM
            text = expand(name, small(binrepo, base, name, limit), limits.MAX_OFFERED_INDEX, base)
        except NotFoundError:
            continue
        return _hand_out(binrepo, memory, text, hashlib.blake2b(text).hexdigest(), now, release=None)
    raise NotFoundError(base, "it has no Packages.gz and no Packages")


def _hand_out(binrepo: Binrepo, memory: Memory, text: bytes, digest: str, now: int, *, release: int | None) -> Obtained:
    """Sanitise ``text``, stamp it so that Portage takes it for newer exactly when it is another, and remember it."""
    try:
        header, offered = parse_index(io.BytesIO(text), binrepo.name)
        stamp = entries.check_header(binrepo.name, header, binrepo.bases, now)
        clean = entries.sanitise(binrepo.name, header, offered, strong=release is not None)
    except InvalidIndexError as error:
        raise DamagedIndexError(binrepo.name, str(error)) from error
    for reason in clean.left_out[:10]:
        binrepo.warn_of(reason)
    if len(clean.left_out) > 10:
        binrepo.warn(f"{binrepo.name}: {len(clean.left_out) - 10} further entries of its index were left out")
    handed = memory.timestamp if digest == memory.index else max(stamp, memory.timestamp + 1)
    result = clean.text(handed)
    marked = result if release is None else remembered.mark_bound(result, release)
    _remember(binrepo, replace(memory, timestamp=handed, index=digest), marked)
    return Obtained(result, fresh=True, bound=release is not None)


def _remember(binrepo: Binrepo, memory: Memory, index: bytes | None) -> None:
    """Keep the memory, the index first: a package is looked up in it only by who was handed it."""
    if not writable(binrepo.state):
        _say_unremembered(binrepo, memory)
        return
    binrepo.state.make_directory()
    if index is not None:
        files.replace_file(binrepo.state.index_file, index)
    binrepo.state.save(memory)


def _say_unremembered(binrepo: Binrepo, memory: Memory) -> None:
    """Warn of an accepted Release that is news and cannot be kept; an ordinary user's `emerge -p` need not keep it."""
    state = binrepo.state
    if memory.seen is None or memory.seen == state.load().seen or os.getuid() not in (0, state.eroot.stat().st_uid):
        return
    binrepo.warn(
        f"{binrepo.name}: Release {memory.seen.version} is verified, but {state.directory} cannot be written to remember it: "
        "until you make it writable, an older Release would be accepted after it"
    )


def small(binrepo: Binrepo, base: str, name: str, limit: int) -> bytes:
    """The file ``name`` of one mirror, in memory. Raises the MirrorError that it failed with, UnsupportedUrlError."""
    sink = MemorySink()
    try:
        quiet = replace(binrepo.mirrors(base, retries=0), report=lambda error: None)
        quiet.fetch(name, limit, sink)
    except AllMirrorsFailedError as error:
        raise error.reasons[0] from error
    return sink.data
