"""The roots of a binhost are followed to the last one before its Release is fetched, because it names the keys for the Release.

``root/N`` is fetched with increasing N until a mirror answers that the file does not exist. Only this answer ends the search;
any other one is a failure of that mirror or a refusal. An accepted root is saved at once. The keys that a root names are
fetched by fingerprint after enough of the keys before have signed that root. They are fetched again if they are expired in the
copy of this host, because their owners may have extended them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from portage_ext import files, limits
from portage_ext.errors import PortageExtError
from portage_ext.errors.trust import (
    AllMirrorsFailedError,
    ExpiredKeyError,
    GpgError,
    MissingRootError,
    NotFoundError,
    ThresholdError,
    TooManyRootsError,
    TransferError,
    TrustError,
)
from portage_ext.fetch.binrepo import Binrepo, writable
from portage_ext.fetch.sinks import MemorySink
from portage_ext.model.root import Root
from portage_ext.trust import gpg, kept_root, openpgp, roots
from portage_ext.trust.keyrings import RootPins
from portage_ext.trust.machine import Terms
from portage_ext.trust.root import ROOT_DIRECTORY, key_name, root_name, signature_name
from portage_ext.trust.roots import Believed

T = TypeVar("T")
Verdicts = tuple[openpgp.Signature, ...]


@contextlib.contextmanager
def followed(binrepo: Binrepo, base: str, now: int, *, keep: bool = True) -> Iterator[tuple[Binrepo, Terms]]:
    """Give ``binrepo`` with the keys of its last root at ``base``, and the terms. Without pinned root keys it is unchanged.

    Without ``keep``, and for a user who cannot write the state, the fetched keys exist only while the block runs. ``now`` is in
    seconds since the epoch. Raises the TrustError for which a root was refused, or MirrorError.
    """
    pins = binrepo.trust.root_pins(binrepo.name)
    if pins is None:
        yield binrepo, binrepo.terms()
        return
    with files.temporary() as place:
        following = _Following(binrepo, base, pins, keep and writable(binrepo.state), Path(place))
        root = following.run()
        roots.in_time(binrepo.name, root, now)
        yield replace(binrepo, passing=following.rings), binrepo.terms(root)


def fetch_again(binrepo: Binrepo, base: str, fingerprints: frozenset[str]) -> bool:
    """Fetch keys that the root names again. Call this only inside ``followed``, with the binrepo that it gave.

    Returns whether one of them has changed.
    """
    pins, ring = binrepo.trust.root_pins(binrepo.name), binrepo.passing[-1]
    if pins is None:
        return False
    return _Following(binrepo, base, pins, ring == binrepo.state.keyring_file, ring.parent).renewed(ring, fingerprints)


@dataclass(slots=True)
class _Following:
    """Follows the roots of one mirror. With ``keep`` the result is saved; without it, new keys go to temporary keyrings in
    ``place``."""

    binrepo: Binrepo
    base: str
    pins: RootPins
    keep: bool
    place: Path

    @property
    def rings(self) -> tuple[Path, ...]:
        return self.root_ring, self.release_ring

    @property
    def root_ring(self) -> Path:
        return kept_root.root_keyring(self.binrepo.state) if self.keep else self.place / "root.gpg"

    @property
    def release_ring(self) -> Path:
        return self.binrepo.state.keyring_file if self.keep else self.place / "release.gpg"

    def run(self) -> Root:
        """Follow the roots and return the last one. It and the roots before it were accepted."""
        kept = kept_root.load(self.binrepo.state)
        before = roots.still_believed(self.pins, kept.believed if kept else None)
        current: Believed | RootPins = before or self.pins
        try:
            for believed in self._further(current):
                current = believed
        finally:
            # Save the last accepted root even if the next one is refused, so that no mirror can undo it.
            if isinstance(current, Believed) and (kept is None or current != kept.believed or kept.lacking):
                self._settle(current)
        if not isinstance(current, Believed):
            raise MissingRootError(self.binrepo.name, f"{self.base} has no root")
        return current.root

    def _further(self, current: Believed | RootPins) -> Iterator[Believed]:
        version = current.root.version + 1 if isinstance(current, Believed) else self._first(current)
        for _ in range(limits.MAX_ROOT_STEPS):
            where = f"{self.binrepo.name}: {ROOT_DIRECTORY}/{root_name(version)}"
            try:
                data = self._file(root_name(version), limits.MAX_ROOT_SIZE)
            except NotFoundError:
                return
            signature = self._signature(version)
            known = frozenset(current.root.root_keys) - self.pins.removed if isinstance(current, Believed) else current.keys
            if isinstance(current, Believed):
                self._obtain(self.root_ring, known)
            root = self._judged(known, signature, data, partial(roots.vouched, where, current, data))
            own = frozenset(root.root_keys) - self.pins.removed
            self._obtain(self.root_ring, own)
            current = self._judged(own, signature, data, partial(roots.accept, where, current, version, data))
            yield current
            version += 1
        raise TooManyRootsError(self.binrepo.name, f"{self.base} offers root after root; {limits.MAX_ROOT_STEPS} were followed")

    def _first(self, pins: RootPins) -> int:
        """The version of the newest root that enough of the pinned keys have signed; 1 if the mirror has no root.

        Older roots are skipped. Newer roots are followed from this one, and are refused then if they are not valid. Raises the
        error of the newest root if no root is signed by enough pinned keys.
        """
        last, reason = self._last(), None
        for version in range(last, max(0, last - limits.MAX_ROOT_STEPS), -1):
            where = f"{self.binrepo.name}: {ROOT_DIRECTORY}/{root_name(version)}"
            data = self._file(root_name(version), limits.MAX_ROOT_SIZE)
            try:
                self._judged(pins.keys, self._signature(version), data, partial(roots.vouched, where, pins, data))
            except (TransferError, GpgError):
                raise
            except TrustError as error:
                reason = reason or error
                continue
            return version
        if reason is not None:
            raise reason
        return 1

    def _last(self) -> int:
        """Find the last version by a search with few requests: a root that exists while the next does not; 0 if there is
        none."""
        there, absent = 0, 1
        while absent <= limits.MAX_ROOT_VERSION and self._has(absent):
            there, absent = absent, 2 * absent
        while absent - there > 1:
            middle = (there + absent) // 2
            there, absent = (middle, absent) if self._has(middle) else (there, middle)
        return there

    def _has(self, version: int) -> bool:
        try:
            self._file(root_name(version), limits.MAX_ROOT_SIZE)
        except NotFoundError:
            return False
        return True

    def _signature(self, version: int) -> bytes:
        try:
            return self._file(signature_name(version), limits.MAX_SIGNATURE_SIZE)
        except NotFoundError:
            return b""

    def _file(self, name: str, limit: int) -> bytes:
        sink = MemorySink()
        mirrors = replace(self.binrepo.mirrors(self.base, retries=0), report=lambda error: None)
        try:
            mirrors.fetch(f"{ROOT_DIRECTORY}/{name}", limit, sink)
        except AllMirrorsFailedError as error:
            raise error.reasons[0] from error
        return sink.data

    def _judged(self, by: frozenset[str], signature: bytes, data: bytes, judge: Callable[[Verdicts], T]) -> T:
        """Call ``judge`` with the verdicts. If keys in ``by`` are expired, fetch them again and judge once more."""
        found = self._verdicts(signature, data)
        try:
            return judge(found)
        except (ExpiredKeyError, ThresholdError):
            if not self.renewed(self.root_ring, openpgp.expired_keys(found, by)):
                raise
        return judge(self._verdicts(signature, data))

    def _verdicts(self, signature: bytes, data: bytes) -> tuple[openpgp.Signature, ...]:
        rings = [self.root_ring, *self.binrepo.keyrings()]
        return gpg.verify_detached(rings, signature, data) if signature else ()

    # --- keys

    def _settle(self, believed: Believed) -> None:
        """Make the keyrings match the last root: fetch the keys that it names, remove those that it no longer names."""
        named = frozenset(believed.root.release_keys)
        if self.keep:
            # Save the root before the steps that take long or can fail. It cannot be undone then, and the next run completes
            # them.
            kept_root.save(self.binrepo.state, kept_root.KeptRoot(believed, named))
        lacking = self._obtain(self.release_ring, named)
        if self.keep:
            undone = self._tell_portage(named)
            kept_root.save(self.binrepo.state, kept_root.KeptRoot(believed, lacking | undone))

    def _tell_portage(self, named: frozenset[str]) -> frozenset[str]:
        """Change Portage's keyring to match. A failure is only a warning, because the root decides which keys are trusted.
        Returns the keys for which the next run tries again."""
        from portage_ext.trust import manage
        from portage_ext.trust.keyfiles import joined

        name, home, there = self.binrepo.name, self.binrepo.settings.portage_home, self._keys(self.release_ring)
        gone = frozenset(there.keys() - named)
        undone = self._let_portage_verify({one: there[one] for one in there.keys() & named})
        if not gone:
            return undone
        try:
            manage.forget_in_portage(home, gone - manage.believed_elsewhere(self.binrepo.trust, self.binrepo.state))
        except (PortageExtError, OSError) as error:
            keys = ", ".join(sorted(gone))
            self.binrepo.warn(f"{name}: Portage's keyring may have {keys} still, which its root names no more: {error}")
            return named
        files.replace_file(self.release_ring, joined({one: there[one] for one in there.keys() & named}))
        return undone

    def _let_portage_verify(self, keys: Mapping[str, bytes]) -> frozenset[str]:
        """Import ``keys`` into Portage's keyring. Warns of each key that could not be imported, and returns these keys."""
        from portage_ext.trust import manage

        home, undone = self.binrepo.settings.portage_home, set[str]()
        if os.access(home.parent, os.W_OK):
            for fingerprint, key in sorted(keys.items()):
                try:
                    manage.let_portage_verify(home, key, fingerprint)
                except (PortageExtError, OSError) as error:
                    self.binrepo.warn(f"{self.binrepo.name}: Portage cannot verify with the key {fingerprint}: {error}")
                    undone.add(fingerprint)
        return frozenset(undone)

    def _keys(self, path: Path) -> dict[str, bytes]:
        from portage_ext.trust.keyfiles import ring

        return ring(path)

    def renewed(self, ring: Path, fingerprints: frozenset[str]) -> bool:
        """Fetch the keys with ``fingerprints`` again, because their owners may have extended them or changed their subkeys.

        Returns whether one of them has changed.
        """
        before = self._keys(ring)
        self._obtain(ring, fingerprints, again=True)
        changed = {one: key for one, key in self._keys(ring).items() if key != before.get(one)}
        if changed and self.keep and ring == self.release_ring:
            self._let_portage_verify(changed)
        return bool(changed)

    def _obtain(self, ring: Path, fingerprints: Collection[str], *, again: bool = False) -> frozenset[str]:
        """Fetch the keys with ``fingerprints`` into ``ring``. Warns of each key that could not be fetched, and returns these
        keys.

        Keys that are already there are fetched only with ``again``.
        """
        known, pinned = self._keys(ring), self._keys(self.binrepo.trust.keyring_file(self.binrepo.name))
        lacking = set[str]()
        for fingerprint in sorted({*fingerprints} if again else {*fingerprints} - known.keys() - pinned.keys()):
            from portage_ext.trust.keyfiles import joined, only

            name = key_name(fingerprint)
            here = [of[fingerprint] for of in (known, pinned) if fingerprint in of]
            try:
                pieces = [*here, self._file(name, limits.MAX_KEY_SIZE)]
                known[fingerprint] = only(pieces, fingerprint, f"{self.base}/{name}")
            except (TrustError, PortageExtError) as error:
                self.binrepo.warn(
                    f"{self.binrepo.name}: the key {fingerprint}, which its root names, cannot be fetched: {error}"
                )
                lacking.add(fingerprint)
                continue
            if self.keep:
                self.binrepo.state.make_directory()
            files.replace_file(ring, joined(known))
        return frozenset(lacking)
