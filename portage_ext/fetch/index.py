"""A binrepo's index is obtained in steps (Release, signature, memory, index, entries), and each step is verified by the last.

Release and index must come from the same mirror. If they do not match, the next mirror is asked. A trusted Release is
remembered before its index is fetched, so that no older Release is accepted afterwards, not even from another mirror. If no
mirror can be reached, the last index is used until its Release expires. If a mirror was reached, but its Release or index was
refused or is missing, the last index is not used, and the error is raised.
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
from portage_ext.model.digest import hexdigests
from portage_ext.model.release import INDEX_FORMS, PLAIN_FORM, Release
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
"""The forms of the index that binhosts without a Release publish."""


@dataclass(frozen=True, slots=True)
class Obtained:
    """The text of an index that Portage may use. ``fresh`` is False if it is the index of an earlier run; ``bound`` is True if
    a Release authenticates it."""

    text: bytes
    fresh: bool
    bound: bool = True


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why a mirror gave no index. ``reached`` is True if it answered, but its data was refused or a required file is
    missing."""

    error: TrustError
    reached: bool = True


def obtain(binrepo: Binrepo, now: int) -> Obtained:
    """Return the sanitised index of ``binrepo``; ``now`` is in seconds since the epoch.

    Raises the TrustError for which it was refused, AllMirrorsFailedError, LockError.
    """
    with locked(binrepo.state, binrepo.warn):
        return _Run(binrepo, now).obtain()


def refresh(binrepo: Binrepo, now: int) -> Release | None:
    """Fetch only the Release of ``binrepo``, and remember its version and rotated keys. No index is fetched.

    Returns None if there is no Release and none is required. Raises the TrustError for which it was refused,
    AllMirrorsFailedError, LockError.
    """
    with locked(binrepo.state, binrepo.warn):
        return _Run(binrepo, now).refresh()


class _Run:
    """One run for a binrepo, under its lock. ``_memory`` is what is remembered of it; each trusted Release updates it."""

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
                # A mirror that is just being updated may be consistent a moment later, so it is asked again. A mirror whose
                # data was refused is not.
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
        """Return the last index. Raises AllMirrorsFailedError if there is none that may still be used."""
        kept = _kept(self._binrepo)
        if kept is None or not self._still_binds():
            raise AllMirrorsFailedError(f"{self._binrepo.name}: index", reasons)
        self._warn(reasons)
        name, number = self._binrepo.name, known_index.release_of(kept)
        self._binrepo.warn(f"{name}: no mirror can be reached; the index of Release {number} is used again")
        return Obtained(known_index.unmarked(kept), fresh=False)

    def _still_binds(self) -> bool:
        """Whether the last index may still be used: neither its Release nor the root that names its signers has expired.

        It is not used if the key that signed it was removed since then.
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
        """Fetch, verify and remember the Release of one mirror; None if there is no Release and none is required."""
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
        """Until when the kept index may be used without a mirror, in seconds since the epoch: until its own Release expires.

        From now on the memory has the signers of ``accepted``. If they are not all signers of the kept index, that index is not
        used again: it may be signed by a stolen key that was replaced, or by a key that is removed later.
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
        """Fetch the index of a binrepo that has no Release and needs none. Everything that needs no Release is still
        checked."""
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
        """Sanitise ``text`` and remember it. Its TIMESTAMP increases only if the index has changed, so that Portage replaces
        its copy exactly then."""
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
            # Clear the digest first. If this run stops in between, the memory does not describe the wrong index.
            self._remember(index="")
            files.replace_file(
                binrepo.state.index_file, result if release is None else known_index.mark_bound(result, release.version)
            )
        self._remember(timestamp=handed, index=digest, expires=memory.expires if release is None else release.expires)
        return Obtained(result, fresh=True, bound=release is not None)

    def _remember(self, **changes: Any) -> None:
        """Apply ``changes`` to the memory, and save it if this user may write it."""
        following = replace(self._memory, **changes)
        if not writable(self._binrepo.state):
            _say_unremembered(self._binrepo, self._memory.seen, following.seen)
        elif following != self._memory:
            self._binrepo.state.save(following)
        self._memory = following


def _refusal(failed: Iterable[_Failed]) -> TrustError | None:
    """The first error of a mirror that was reached; None if none was."""
    return next((one.error for one in failed if one.reached), None)


def _kept(binrepo: Binrepo) -> bytes | None:
    """The kept index; None if there is none that a Release authenticated."""
    try:
        kept = binrepo.state.index_file.read_bytes()
    except FileNotFoundError:
        return None
    return kept if known_index.is_bound(kept) else None


def _release(binrepo: Binrepo, terms: Terms, seen: Seen | None, base: str, now: int) -> Accepted | None:
    """Fetch and judge the Release of one mirror; None if there is no Release and none is required. Raises TrustError;
    MirrorError if the mirror could not deliver it."""
    try:
        release = small(binrepo, base, RELEASE_NAME, limits.MAX_RELEASE_SIZE)
    except NotFoundError:
        without_release(terms, seen)
        return None
    try:
        signature = small(binrepo, base, SIGNATURE_NAME, limits.MAX_SIGNATURE_SIZE)
    except NotFoundError:
        signature = b""  # the Release is then refused as unsigned

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
    """Judge a Release and its signature. If ``renew`` fetched a changed key, judge them once more. Raises TrustError."""

    def verdicts() -> tuple[Signature, ...]:
        return gpg.verify_detached(binrepo.keyrings(), signature, release) if signature else ()

    found = verdicts()
    try:
        return accept(terms, seen, release, found, now)
    except (UnknownKeyError, ExpiredKeyError, ThresholdError) as error:
        # A key may be trusted by rotation but not fetched yet, or its owner may have extended its expiry or added a subkey.
        # With a root, only the keys that it names are trusted: it may have revoked the keys that were seen before.
        trusted = terms.pins if terms.root is not None else trusted_keys(terms.pins, seen)
        wanted = trusted if isinstance(error, UnknownKeyError) else expired_keys(found, trusted)
        if not renew(wanted):
            raise
        return accept(terms, seen, release, verdicts(), now)


def _signed_index(binrepo: Binrepo, accepted: Accepted, base: str) -> bytes:
    """Fetch the index that the Release names in the best form that the mirror has, and return it uncompressed."""
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
            # The binhost published it damaged, or this host cannot decompress it. Another form is as good.
            damaged = damaged or error
            continue
        _check(accepted, PLAIN_FORM, text, base)
        return text
    raise damaged or MissingIndexError(base, f"its Release {accepted.release.version} is there, but not {' or '.join(named)}")


def _check(accepted: Accepted, name: str, data: bytes, where: str) -> None:
    found = hexdigests(data)
    accepted.check(name, len(data), found["BLAKE2B"], found["SHA512"], where)


def _say_unremembered(binrepo: Binrepo, before: Seen | None, seen: Seen | None) -> None:
    """Warn if an accepted Release is new but cannot be saved. `emerge -p` as an ordinary user need not save it."""
    state = binrepo.state
    if seen is None or seen == before or os.getuid() not in (0, state.eroot.stat().st_uid):
        return
    binrepo.warn(
        f"{binrepo.name}: Release {seen.version} is verified, but {state.directory} cannot be written to remember it: "
        "until you make it writable, an older Release would be accepted after it"
    )


def small(binrepo: Binrepo, base: str, name: str, limit: int) -> bytes:
    """Fetch the file ``name`` of at most ``limit`` bytes from one mirror into memory. Raises TransferError."""
    sink = MemorySink()
    try:
        quiet = replace(binrepo.mirrors(base, retries=0), report=lambda error: None)
        quiet.fetch(name, limit, sink)
    except AllMirrorsFailedError as error:
        raise error.reasons[0] from error
    return sink.data
