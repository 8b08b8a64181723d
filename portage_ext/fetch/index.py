"""Obtain a binrepo's index: Release, signature, memory, index, entries; each step believes only what the one before bound.

A mirror is taken as a whole: Release and index of one mirror fit each other or the next mirror is asked. What a believed
Release says is remembered before its index comes, so that no older one is believed after it, also not from another mirror.
When no mirror can be reached, the index seen last is used until its own Release expires; when one was reached, and its Release
or index refused or not there, it is not: a refusal stops.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from portage_ext import files, limits
from portage_ext.errors import InvalidIndexError
from portage_ext.errors.trust import (
    AllMirrorsFailedError,
    DamagedIndexError,
    ExpiredKeyError,
    MirrorError,
    MissingIndexError,
    MissingRootError,
    NotFoundError,
    ThresholdError,
    TrustError,
    UnknownKeyError,
)
from portage_ext.fetch import keys, roots
from portage_ext.fetch.binrepo import Binrepo, locked, writable
from portage_ext.fetch.sinks import MemorySink
from portage_ext.fetch.transfer import backoff
from portage_ext.index.expand import expand
from portage_ext.index.text import parse_index
from portage_ext.model.release import INDEX_FORMS, PLAIN_FORM, IndexFile, Release
from portage_ext.trust import entries, gpg, known_index
from portage_ext.trust.machine import (
    Accepted,
    Seen,
    Terms,
    accept,
    binds,
    signed_by_those_before,
    trusted_keys,
    without_release,
)
from portage_ext.trust.openpgp import Signature, expired_keys
from portage_ext.trust.release import RELEASE_NAME, SIGNATURE_NAME

_UNSIGNED_FORMS = ("Packages.gz", "Packages")
"""What binhosts without a Release publish."""


@dataclass(frozen=True, slots=True)
class Obtained:
    """An index that Portage may see, as text; ``fresh`` is False when it is the one seen before, ``bound`` when a Release
    stands behind it."""

    text: bytes
    fresh: bool
    bound: bool = True


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why a mirror gave nothing. ``reached``: it answered, with what was refused or without what it must have."""

    error: TrustError
    reached: bool = True


def obtain(binrepo: Binrepo, now: int) -> Obtained:
    """The sanitised index of ``binrepo``. Raises the TrustError that refused it, AllMirrorsFailedError, LockError."""
    with locked(binrepo.state, binrepo.warn):
        return _Run(binrepo, now).obtain()


def refresh(binrepo: Binrepo, now: int) -> Release | None:
    """Look at the Release of ``binrepo`` alone: rotated keys and version are remembered, no index is fetched.

    Returns None where there is none and need not be. Raises the TrustError that refused it, AllMirrorsFailedError, LockError.
    """
    with locked(binrepo.state, binrepo.warn):
        return _Run(binrepo, now).refresh()


class _Run:
    """One look at a binrepo, under its lock. ``_memory`` is what is remembered of it, and grows with each believed Release."""

    def __init__(self, binrepo: Binrepo, now: int) -> None:
        self._binrepo = binrepo
        self._now = now
        self._memory = binrepo.state.load()

    def refresh(self) -> Release | None:
        failed: list[_Failed] = []
        for base in self._binrepo.bases:
            believed = self._release(base)
            if isinstance(believed, _Failed):
                failed.append(believed)
                continue
            self._warn(one.error for one in failed if one.reached)
            return None if believed is None else believed.release
        raise _refusal(failed) or AllMirrorsFailedError(f"{self._binrepo.name}: Release", tuple(one.error for one in failed))

    def obtain(self) -> Obtained:
        failed: dict[str, _Failed] = {}
        asked, retries = list(self._binrepo.bases), self._binrepo.settings.fetch.retries
        for round_number in range(retries + 1):
            for base in list(asked):
                found = self._from_mirror(base)
                if isinstance(found, Obtained):
                    self._warn(one.error for one in failed.values())
                    return found
                failed[base] = found
                # A mirror in the middle of an update fits together a moment later; what was refused stays refused.
                if not found.error.transient:
                    asked.remove(base)
            if not asked or round_number == retries:
                break
            backoff(round_number, limits.MAX_BACKOFF)
        refusal = _refusal(failed.values())
        if refusal is not None:
            self._warn(one.error for one in failed.values() if one.error is not refusal)
            raise refusal
        return self._again(tuple(one.error for one in failed.values()))

    def _again(self, reasons: tuple[TrustError, ...]) -> Obtained:
        """The index seen last. Raises AllMirrorsFailedError when there is none that may still be used."""
        kept = _kept(self._binrepo)
        if kept is None or not self._still_binds():
            raise AllMirrorsFailedError(f"{self._binrepo.name}: index", reasons)
        self._warn(reasons)
        name, number = self._binrepo.name, known_index.release_of(kept)
        self._binrepo.warn(f"{name}: no mirror can be reached; the index of Release {number} is used again")
        return Obtained(known_index.unmarked(kept), fresh=False)

    def _still_binds(self) -> bool:
        """Whether the index seen last may be used: it has not expired, nor has the root that says who may have signed it.

        What a key signed that was taken out since, is not used for want of something better.
        """
        try:
            terms = self._binrepo.terms()
        except MissingRootError:
            return False
        root_holds = terms.root is None or terms.root.expires > self._now
        return self._memory.expires > self._now and root_holds and binds(terms, self._memory.seen)

    def _warn(self, errors: Iterable[TrustError]) -> None:
        for error in errors:
            self._binrepo.warn_of(error)

    def _from_mirror(self, base: str) -> Obtained | _Failed:
        believed = self._release(base)
        if isinstance(believed, _Failed):
            return believed
        try:
            return self._unsigned(base) if believed is None else self._signed(base, believed)
        except TrustError as error:
            return _Failed(error)

    def _release(self, base: str) -> Accepted | _Failed | None:
        """The Release of one mirror, believed and remembered; None where there is none and need not be."""
        try:
            with roots.followed(self._binrepo, base, self._now) as (binrepo, terms):
                accepted = _release(binrepo, terms, self._memory.seen, base, self._now)
        except MirrorError as error:
            return _Failed(error, reached=False)
        except TrustError as error:
            return _Failed(error)
        if accepted is not None:
            self._remember(seen=accepted.seen, expires=self._usable_until(terms, accepted))
            keys.fetch_announced(binrepo, base, accepted.seen.keys - terms.pins)
        return accepted

    def _usable_until(self, terms: Terms, accepted: Accepted) -> int:
        """Until when the index that is kept may be used without a mirror: as its own Release has said.

        From now on ``accepted`` says who stands behind it. Where that is somebody else, its own key may be the stolen one that
        the new one replaces, or be taken out later: it is not used again.
        """
        memory = self._memory
        if memory.index == accepted.release.plain.blake2b:
            return accepted.release.expires
        return memory.expires if binds(terms, memory.seen) and signed_by_those_before(memory.seen, accepted.seen) else 0

    def _signed(self, base: str, accepted: Accepted) -> Obtained:
        plain = accepted.release.plain
        if self._memory.index == plain.blake2b and (kept := _kept(self._binrepo)) is not None:
            return Obtained(known_index.unmarked(kept), fresh=False)
        text = _signed_index(self._binrepo, accepted, base)
        return self._hand_out(text, plain.blake2b, accepted.release)

    def _unsigned(self, base: str) -> Obtained:
        """The index of a binrepo that publishes no Release and need not: what can be checked without one still is."""
        for name in _UNSIGNED_FORMS:
            limit = limits.MAX_OFFERED_INDEX if name == PLAIN_FORM else limits.MAX_OFFERED_FORM
            try:
                data = small(self._binrepo, base, name, limit)
            except NotFoundError:
                continue
            text = expand(name, data, limits.MAX_OFFERED_INDEX, base)
            return self._hand_out(text, hashlib.blake2b(text).hexdigest(), None)
        raise MissingIndexError(base, f"it has neither {' nor '.join(_UNSIGNED_FORMS)}")

    def _hand_out(self, text: bytes, digest: str, release: Release | None) -> Obtained:
        """Sanitise ``text``, stamp it so that Portage takes it for newer exactly when it is another, and remember it."""
        binrepo, memory = self._binrepo, self._memory
        try:
            header, offered = parse_index(io.BytesIO(text), binrepo.name)
            stamp = entries.check_header(binrepo.name, header, binrepo.bases, self._now)
            clean = entries.sanitise(binrepo.name, header, offered, strong=release is not None)
        except InvalidIndexError as error:
            raise DamagedIndexError(binrepo.name, str(error)) from error
        self._warn(clean.left_out[:10])
        if len(clean.left_out) > 10:
            binrepo.warn(f"{binrepo.name}: {len(clean.left_out) - 10} further entries of its index were left out")
        handed = memory.timestamp if digest == memory.index else max(stamp, memory.timestamp + 1)
        result = clean.text(handed)
        if writable(binrepo.state):
            # Between the two no memory calls the one the other.
            self._remember(index="")
            files.replace_file(
                binrepo.state.index_file, result if release is None else known_index.mark_bound(result, release.version)
            )
        self._remember(timestamp=handed, index=digest, expires=memory.expires if release is None else release.expires)
        return Obtained(result, fresh=True, bound=release is not None)

    def _remember(self, **changes: Any) -> None:
        """Keep ``changes`` to the memory, for this run at least."""
        following = replace(self._memory, **changes)
        if not writable(self._binrepo.state):
            _say_unremembered(self._binrepo, self._memory.seen, following.seen)
        elif following != self._memory:
            self._binrepo.state.save(following)
        self._memory = following


def _refusal(failed: Iterable[_Failed]) -> TrustError | None:
    """The first failure of a mirror that was reached."""
    return next((one.error for one in failed if one.reached), None)


def _kept(binrepo: Binrepo) -> bytes | None:
    """The index seen last, as it is remembered; None when there is none that a Release bound."""
    try:
        kept = binrepo.state.index_file.read_bytes()
    except FileNotFoundError:
        return None
    return kept if known_index.is_bound(kept) else None


def _release(binrepo: Binrepo, terms: Terms, seen: Seen | None, base: str, now: int) -> Accepted | None:
    """The Release of one mirror, judged; None where there is none and need not be. Raises TrustError; MirrorError when the
    mirror did not give it."""
    try:
        release = small(binrepo, base, RELEASE_NAME, limits.MAX_RELEASE_SIZE)
    except NotFoundError:
        without_release(terms, seen)
        return None
    try:
        signature = small(binrepo, base, SIGNATURE_NAME, limits.MAX_SIGNATURE_SIZE)
    except NotFoundError:
        signature = b""  # judged as what it is: unsigned

    def renew(wanted: frozenset[str]) -> bool:
        if terms.root is not None:
            return roots.fetch_again(binrepo, base, wanted)
        return keys.fetch_announced(binrepo, base, wanted, again=True)

    return accepted(binrepo, terms, seen, release, signature, now, renew)


def accepted(
    binrepo: Binrepo,
    terms: Terms,
    seen: Seen | None,
    release: bytes,
    signature: bytes,
    now: int,
    renew: Callable[[frozenset[str]], bool],
) -> Accepted:
    """A Release and its signature, judged; once more where ``renew`` says that a key has become another. Raises TrustError."""

    def verdicts() -> tuple[Signature, ...]:
        return gpg.verify_detached(binrepo.keyrings(), signature, release) if signature else ()

    found = verdicts()
    try:
        return accept(terms, seen, release, found, now)
    except (UnknownKeyError, ExpiredKeyError, ThresholdError) as error:
        # A key may be trusted by rotation without having been fetched yet, or have been prolonged since, or have a new subkey.
        # Beside a root no other key is: what was seen before may be what it has revoked.
        trusted = terms.pins if terms.root is not None else trusted_keys(terms.pins, seen)
        wanted = trusted if isinstance(error, UnknownKeyError) else expired_keys(found, trusted)
        if not renew(wanted):
            raise
        return accept(terms, seen, release, verdicts(), now)


def _signed_index(binrepo: Binrepo, accepted: Accepted, base: str) -> bytes:
    """The plain index that the Release names, by way of the best form that the mirror has."""
    plain = accepted.release.plain
    if plain.size > limits.MAX_OFFERED_INDEX:
        raise DamagedIndexError(base, f"its Release announces an index of {plain.size} bytes")
    named = {file.name: file for file in accepted.release.files}
    damaged: DamagedIndexError | None = None
    for name in (form for form in INDEX_FORMS if form in named):
        try:
            data = small(binrepo, base, name, named[name].size)
        except NotFoundError:
            continue
        _check(accepted, name, data, base)
        try:
            text = expand(name, data, plain.size, base)
        except DamagedIndexError as error:
            # As the binhost published it, or this host cannot expand it: another form is as good.
            damaged = damaged or error
            continue
        _check(accepted, PLAIN_FORM, text, base)
        return text
    raise damaged or MissingIndexError(base, f"its Release {accepted.release.version} is there, but not {' or '.join(named)}")


def _check(accepted: Accepted, name: str, data: bytes, where: str) -> None:
    found = IndexFile(name, len(data), hashlib.blake2b(data).hexdigest(), hashlib.sha512(data).hexdigest())
    accepted.check(found.name, found.size, found.blake2b, found.sha512, where)


def _say_unremembered(binrepo: Binrepo, before: Seen | None, seen: Seen | None) -> None:
    """Warn of an accepted Release that is news and cannot be kept; an ordinary user's `emerge -p` need not keep it."""
    state = binrepo.state
    if seen is None or seen == before or os.getuid() not in (0, state.eroot.stat().st_uid):
        return
    binrepo.warn(
        f"{binrepo.name}: Release {seen.version} is verified, but {state.directory} cannot be written to remember it: "
        "until you make it writable, an older Release would be accepted after it"
    )


def small(binrepo: Binrepo, base: str, name: str, limit: int) -> bytes:
    """The file ``name`` of one mirror, in memory. Raises the TransferError that it failed with."""
    sink = MemorySink()
    try:
        quiet = replace(binrepo.mirrors(base, retries=0), report=lambda error: None)
        quiet.fetch(name, limit, sink)
    except AllMirrorsFailedError as error:
        raise error.reasons[0] from error
    return sink.data
