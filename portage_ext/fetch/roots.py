"""Follow the roots of a binhost to the last one, before its Release is asked for: it says which keys judge the Release.

``root/N`` is asked for with growing N until a mirror says that it does not have it. That alone is the end; whatever else a
mirror answers is a failure of that mirror, or a refusal. What was accepted is kept at once. Keys are fetched by the fingerprint
that a root names, once enough of the keys before have signed it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from portage_ext import files, limits
from portage_ext.errors import PortageExtError
from portage_ext.errors.trust import (
    AllMirrorsFailedError,
    MissingRootError,
    NotFoundError,
    TooManyRootsError,
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


@contextlib.contextmanager
def followed(binrepo: Binrepo, base: str, now: int, *, keep: bool = True) -> Iterator[tuple[Binrepo, Terms]]:
    """``binrepo`` with the keys, and the terms, that its last root at ``base`` gives it; unchanged where no root key is pinned.

    Without ``keep``, and for a user who may not write, the keys are there as long as the block runs. Raises the TrustError that
    refuses a root, or the MirrorError.
    """
    pins = binrepo.trust.root_pins(binrepo.name)
    if pins is None:
        yield binrepo, binrepo.terms()
        return
    with tempfile.TemporaryDirectory(prefix="portage-ext.") as place:
        following = _Following(binrepo, base, pins, keep and writable(binrepo.state), Path(place))
        root = following.run()
        roots.in_time(binrepo.name, root, now)
        yield replace(binrepo, passing=following.rings), binrepo.terms(root)


@dataclass(slots=True)
class _Following:
    """One run at one mirror. ``keep``: what is learnt stays; else its keyrings are in ``place``, beside those that stay."""

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
        """The last root, after it and those before it were accepted."""
        kept = kept_root.load(self.binrepo.state)
        before = roots.still_believed(self.pins, kept.believed if kept else None)
        current: Believed | RootPins = before or self.pins
        try:
            for believed in self._further(current):
                current = believed
        finally:
            # Also when the one after it is refused: nobody gets it taken back.
            if isinstance(current, Believed) and (kept is None or current != kept.believed or kept.lacking):
                self._settle(current)
        if not isinstance(current, Believed):
            raise MissingRootError(self.binrepo.name, f"{self.base} has no root")
        return current.root

    def _further(self, current: Believed | RootPins) -> Iterator[Believed]:
        version = current.root.version + 1 if isinstance(current, Believed) else 1
        passed: TrustError | None = None
        for _ in range(limits.MAX_ROOT_STEPS):
            where = f"{self.binrepo.name}: {ROOT_DIRECTORY}/{root_name(version)}"
            try:
                data = self._file(root_name(version), limits.MAX_ROOT_SIZE)
            except NotFoundError:
                if isinstance(current, RootPins) and passed is not None:
                    raise passed from None
                return
            signature = self._signature(version)
            if isinstance(current, Believed):
                self._obtain(self.root_ring, current.root.root_keys)
            try:
                root = roots.vouched(where, current, data, self._verdicts(signature, data))
            except TrustError as error:
                if isinstance(current, Believed) or not roots.may_be_passed_over(error):
                    raise
                passed, version = error, version + 1
                continue
            self._obtain(self.root_ring, root.root_keys)
            current = roots.accept(where, current, version, data, self._verdicts(signature, data))
            yield current
            version += 1
        raise TooManyRootsError(self.binrepo.name, f"{self.base} offers root after root; {limits.MAX_ROOT_STEPS} were followed")

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

    def _verdicts(self, signature: bytes, data: bytes) -> tuple[openpgp.Signature, ...]:
        rings = [*self.binrepo.keyrings(), self.root_ring]
        return gpg.verify_detached(rings, signature, data) if signature else ()

    # --- keys

    def _settle(self, believed: Believed) -> None:
        """Have the keys of the last root: those that it names come in, those that it does not name any more go out."""
        named = frozenset(believed.root.release_keys)
        if self.keep:
            # Before all that takes long or can fail: nobody gets it taken back, and the next run does what was not done.
            kept_root.save(self.binrepo.state, kept_root.KeptRoot(believed, named))
        lacking = self._obtain(self.release_ring, named)
        if self.keep:
            undone = self._tell_portage(named)
            kept_root.save(self.binrepo.state, kept_root.KeptRoot(believed, lacking | undone))

    def _tell_portage(self, named: frozenset[str]) -> frozenset[str]:
        """Have Portage's keyring follow. What it cannot do is a warning: the root decides what counts. Returns the keys for
        which the next run tries again."""
        from portage_ext.trust import manage
        from portage_ext.trust.keyfiles import joined

        name, home, there = self.binrepo.name, self.binrepo.settings.portage_home, self._keys(self.release_ring)
        undone, gone = set[str](), frozenset(there.keys() - named)
        if os.access(home.parent, os.W_OK):
            for fingerprint in sorted(there.keys() & named):
                try:
                    manage.let_portage_verify(home, there[fingerprint], fingerprint)
                except (PortageExtError, OSError) as error:
                    self.binrepo.warn(f"{name}: Portage cannot verify with the key {fingerprint}: {error}")
                    undone.add(fingerprint)
        if not gone:
            return frozenset(undone)
        try:
            manage.forget_in_portage(home, gone - manage.believed_elsewhere(self.binrepo.trust, self.binrepo.state))
        except (PortageExtError, OSError) as error:
            keys = ", ".join(sorted(gone))
            self.binrepo.warn(f"{name}: Portage's keyring may have {keys} still, which its root names no more: {error}")
            return named
        files.replace_file(self.release_ring, joined({one: there[one] for one in there.keys() & named}))
        return frozenset(undone)

    def _keys(self, path: Path) -> dict[str, bytes]:
        from portage_ext.trust.keyfiles import ring

        return ring(path)

    def _obtain(self, ring: Path, fingerprints: Collection[str]) -> frozenset[str]:
        """Bring the keys with ``fingerprints`` into ``ring``, and return those that could not be had, with a warning each."""
        known, pinned = self._keys(ring), self._keys(self.binrepo.trust.keyring_file(self.binrepo.name))
        lacking = set[str]()
        for fingerprint in sorted({*fingerprints} - known.keys() - pinned.keys()):
            from portage_ext.trust.keyfiles import joined, only

            name = key_name(fingerprint)
            try:
                known[fingerprint] = only([self._file(name, limits.MAX_KEY_SIZE)], fingerprint, f"{self.base}/{name}")
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
