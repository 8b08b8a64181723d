"""Root keys are pinned in the place of the keys that sign Releases; they never enter Portage's keyring.

What was pinned before goes to the keys that come from the binhost: the first root that is followed keeps those of them that it
names, and takes the others out of Portage's keyring (fetch/roots.py), so that a host moves without a gap.
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
    """Pin root keys for the binrepo of ``state``, with their public ``keys``, in the place of all that was pinned for it.

    Root keys that were pinned and are not any more are remembered as removed. A root that the new ones do not vouch for is
    forgotten with the keys that it named. Returns those of ``pins`` that were removed once, and count again.
    Raises KeyFileError, GpgError, OSError.
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
    """Pin, and forget a root that does not count any more. Returns what ``_forget`` does."""
    directory.write(state.binrepo, pins, joined(keys))
    if kept_root.root_file(state).exists() and not _vouched(directory, state):
        return _forget(directory, portage_home, state)
    return frozenset(), frozenset()


def _vouched(directory: TrustDirectory, state: StateDirectory) -> bool:
    """Whether the root that is kept counts under the pins as they are; one that cannot be read does not."""
    try:
        return kept_root.believed(directory, state) is not None
    except DamagedStateError:
        return False


def _forget(directory: TrustDirectory, portage_home: Path, state: StateDirectory) -> tuple[frozenset[str], frozenset[str]]:
    """Forget the root, and the keys that it named. Returns those keys, and those that left Portage's keyring."""
    named = frozenset(ring(state.keyring_file)) | _named(state)
    unused = named - manage.believed_elsewhere(directory, state)
    manage.forget_in_portage(portage_home, unused)
    state.keyring_file.unlink(missing_ok=True)
    state.index_file.unlink(missing_ok=True)
    kept_root.forget(state)
    return named, unused


def _named(state: StateDirectory) -> frozenset[str]:
    """The keys that the root names which is kept. What is damaged keeps nobody from forgetting the rest."""
    try:
        kept = kept_root.load(state)
    except DamagedStateError:
        return frozenset()
    return frozenset(kept.believed.root.release_keys) if kept is not None else frozenset()


def remove(directory: TrustDirectory, portage_home: Path, state: StateDirectory, fingerprint: str | None) -> Removed:
    """Take out the root key ``fingerprint``, or all that are pinned (None); with the last one go the root and the keys that it
    named.

    No signature of a key that was taken out counts any more. It need not be pinned: a root that this host may meet can name it.
    Raises NotPinnedError when no root key is, TooFewRootKeysError when those left could not meet the threshold, KeyFileError,
    GpgError, OSError.
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
    # The pins first: whatever fails below, nothing is believed any more.
    directory.write_removed(name, removed)
    directory.remove(name)
    named, unused = _forget(directory, portage_home, state)
    return Removed(gone, named, unused, frozenset(), gone)
