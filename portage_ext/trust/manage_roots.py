"""Root keys are pinned instead of the keys that sign Releases, and they never enter Portage's keyring.

Keys that were pinned before are moved to the keys that came from the binhost. The first root that is followed keeps those that
it names and removes the others from Portage's keyring (fetch/roots.py). So verification works at every moment of the change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from portage_ext import files
from portage_ext.errors.here import NotPinnedError, TooFewRootKeysError
from portage_ext.errors.trust import DamagedStateError
from portage_ext.trust import kept_root, manage
from portage_ext.trust.keyfiles import joined, ring
from portage_ext.trust.keyrings import RootPins, TrustDirectory
from portage_ext.trust.manage import Removed
from portage_ext.trust.memory import StateDirectory


def add(
    directory: TrustDirectory, portage_home: Path, state: StateDirectory, pins: RootPins, keys: Mapping[str, bytes]
) -> frozenset[str]:
    """Pin root keys for the binrepo of ``state``, with their public ``keys``, and replace everything that was pinned for it.

    Root keys that were pinned before but are not in ``pins`` are remembered as removed. If the new root keys have not signed
    the kept root, that root and the keys that it named are forgotten. Returns those of ``pins`` that had been removed earlier
    and now count again. Raises KeyFileError, GpgError, OSError.
    """
    rooted, removed = directory.root_pins(state.binrepo), directory.removed_roots(state.binrepo)
    replaced = rooted.keys if rooted is not None else frozenset[str]()
    pins = replace(pins, removed=(removed | replaced) - pins.keys)
    before = directory.pins(state.binrepo)
    if before:
        pinned = ring(directory.keyring_file(state.binrepo))
        released = {**ring(state.keyring_file), **{one: key for one, key in pinned.items() if one in before}}
        state.make_directory()
        files.replace_file(state.keyring_file, joined(released))
    _write(directory, portage_home, state, pins, keys)
    return removed & pins.keys


def _write(
    directory: TrustDirectory, portage_home: Path, state: StateDirectory, pins: RootPins, keys: Mapping[str, bytes]
) -> tuple[frozenset[str], frozenset[str]]:
    """Write the pins, and forget the kept root if it is no longer valid. Returns the result of ``_forget``."""
    directory.write(state.binrepo, pins, joined(keys))
    if kept_root.root_file(state).exists() and not _vouched(directory, state):
        return _forget(directory, portage_home, state)
    return frozenset(), frozenset()


def _vouched(directory: TrustDirectory, state: StateDirectory) -> bool:
    """Whether the kept root is valid under the current pins. A root that cannot be read is not."""
    try:
        return kept_root.believed(directory, state) is not None
    except DamagedStateError:
        return False


def _forget(directory: TrustDirectory, portage_home: Path, state: StateDirectory) -> tuple[frozenset[str], frozenset[str]]:
    """Forget the kept root and the keys that it named. Returns these keys, and those removed from Portage's keyring."""
    named = frozenset(ring(state.keyring_file)) | _named(state)
    unused = named - manage.believed_elsewhere(directory, state)
    manage.forget_in_portage(portage_home, unused)
    state.keyring_file.unlink(missing_ok=True)
    state.index_file.unlink(missing_ok=True)
    kept_root.forget(state)
    return named, unused


def _named(state: StateDirectory) -> frozenset[str]:
    """The keys that the kept root names; none if it is damaged, so that the rest can still be forgotten."""
    try:
        kept = kept_root.load(state)
    except DamagedStateError:
        return frozenset()
    return frozenset(kept.believed.root.release_keys) if kept is not None else frozenset()


def remove(directory: TrustDirectory, portage_home: Path, state: StateDirectory, fingerprint: str | None) -> Removed:
    """Remove the root key ``fingerprint``, or all pinned root keys (None). Removing the last one also forgets the root and the
    keys that it named.

    Signatures of a removed key no longer count. The key need not be pinned, because a root that this host meets later may name
    it. Raises NotPinnedError if no root key is pinned, TooFewRootKeysError if the remaining keys could not reach the threshold,
    KeyFileError, GpgError, OSError.
    """
    name, pins = state.binrepo, directory.root_pins(state.binrepo)
    if pins is None:
        raise NotPinnedError(name, "no root key is pinned for it")
    gone = pins.keys if fingerprint is None else frozenset({fingerprint})
    left, removed = pins.keys - gone, pins.removed | gone
    if left and len(left) < pins.threshold:
        raise TooFewRootKeysError(name, f"{pins.threshold} root keys must sign, and {len(left)} would be left")
    if left:
        kept = {one: key for one, key in ring(directory.keyring_file(name)).items() if one in left}
        named, unused = _write(directory, portage_home, state, RootPins(left, pins.threshold, removed), kept)
        return Removed(gone, named, unused, left | ring(state.keyring_file).keys(), gone)
    # Delete the pins first. Even if a later step fails, nothing is trusted any more.
    directory.write_removed(name, removed)
    directory.remove(name)
    named, unused = _forget(directory, portage_home, state)
    return Removed(gone, named, unused, frozenset(), gone)
