"""Root keys are pinned in the place of the keys that sign Releases; they never enter Portage's keyring.

What was pinned before goes to the keys that come from the binhost: the first root that is followed keeps those of them that it
names, and takes the others out of Portage's keyring (fetch/roots.py), so that a host moves without a gap.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from portage_ext import files
from portage_ext.refusals import DamagedStateError, KeyFileError
from portage_ext.trust import kept_root, manage
from portage_ext.trust.keyfiles import joined, split
from portage_ext.trust.keyrings import RootPins, TrustDirectory
from portage_ext.trust.machine import trusted_keys
from portage_ext.trust.state import StateDirectory


def add(directory: TrustDirectory, state: StateDirectory, pins: RootPins, keys: Mapping[str, bytes]) -> None:
    """Pin root keys for the binrepo of ``state``, with their public ``keys``, in the place of all that was pinned for it.

    Raises KeyFileError, OSError.
    """
    before = directory.pins(state.binrepo)
    if before:
        ring = directory.keyring_file(state.binrepo)
        released = {**_keys(state.keyring_file), **{one: key for one, key in _keys(ring).items() if one in before}}
        state.make_directory()
        files.replace_file(state.keyring_file, joined(released))
    directory.write(state.binrepo, pins, joined(keys))


def remove(directory: TrustDirectory, state: StateDirectory, portage_home: Path, fingerprint: str | None) -> frozenset[str]:
    """Unpin one root key, or all; with the last one go the root and the keys that it named. Returns those that Portage forgets.

    Raises KeyFileError when it is not pinned, or when those left could not meet the threshold, GpgError, OSError.
    """
    name, pins = state.binrepo, directory.root_pins(state.binrepo)
    if pins is None or (fingerprint is not None and fingerprint not in pins.keys):
        raise KeyFileError(name, f"the root key {fingerprint} is not pinned for it")
    left = frozenset[str]() if fingerprint is None else pins.keys - {fingerprint}
    if left and len(left) < pins.threshold:
        raise KeyFileError(name, f"{pins.threshold} root keys must sign, and {len(left)} would be left; name all with --root")
    if left:
        kept = {one: key for one, key in _keys(directory.keyring_file(name)).items() if one in left}
        directory.write(name, RootPins(left, pins.threshold), joined(kept))
        return frozenset()
    named = frozenset(_keys(state.keyring_file))
    directory.remove(name)
    unused = named - believed_elsewhere(directory, state)
    manage.forget_in_portage(portage_home, unused)
    state.keyring_file.unlink(missing_ok=True)
    kept_root.forget(state)
    return unused


def believed_elsewhere(directory: TrustDirectory, state: StateDirectory) -> frozenset[str]:
    """The keys that other binrepos than that of ``state`` pin, or believe by a root or a rotation. Raises SettingsError."""
    found = set[str]()
    for name in directory.binrepos():
        if name == state.binrepo:
            continue
        other, pins = replace(state, binrepo=name), directory.pins(name)
        found |= pins
        with contextlib.suppress(DamagedStateError):  # said when that binrepo is next asked for
            root = kept_root.believed(directory, other)
            found |= set(root.release_keys) if root is not None else trusted_keys(pins, other.load().seen) if pins else set()
    return frozenset(found)


def _keys(ring: Path) -> dict[str, bytes]:
    return split(ring.read_bytes(), str(ring)) if ring.exists() else {}
