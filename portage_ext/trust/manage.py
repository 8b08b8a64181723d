"""A key is added only by its full fingerprint: that primary key enters a keyring, and nothing else from the key file.

Portage verifies packages with its own gpg home, so the key is imported there too. That alone does not say for which binrepo the
key is trusted: our keyring of each binrepo decides that. This module uses python-gnupg.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from portage_ext import files
from portage_ext.errors import SettingsError
from portage_ext.errors.here import NotPinnedError
from portage_ext.errors.trust import DamagedStateError, GpgError
from portage_ext.trust import kept_root
from portage_ext.trust.gpg import run
from portage_ext.trust.keyfiles import gpg_in, joined, keys_in, only, refuse_claims, ring
from portage_ext.trust.keyrings import TrustDirectory
from portage_ext.trust.machine import counts, grounded_keys, trusted_keys
from portage_ext.trust.memory import StateDirectory

if TYPE_CHECKING:
    import gnupg

    from portage_ext.trust.machine import Seen

_PORTAGE_OPTIONS: Final = "lock-never\nno-permission-warning\n"
"""Portage verifies as the user nobody, who does not own the home and cannot lock it."""
_FOR_READERS: Final = ("pubring.kbx", "pubring.gpg", "trustdb.gpg", "gpg.conf", "common.conf", "public-keys.d")
"""The files that gpg reads to verify. Other files in a gpg home may be secret: keys or passphrases, also of old versions."""


def present_in_portage(home: Path, fingerprint: str) -> bytes:
    """Export the key from a gpg home such as Portage's own; empty if it is not there.

    Keys that claim it as a subkey are exported too, so that the caller can refuse them by name. Raises GpgError if gpg cannot
    list the keys of the home or does not export this one.
    """
    if not home.is_dir():
        return b""
    gpg = gpg_in(home)
    if not any(fingerprint in (key.primary, *key.subkeys) for key in keys_in(gpg)):
        return b""
    exported = gpg.export_keys(fingerprint, armor=False)
    if not isinstance(exported, bytes) or not exported:
        raise GpgError(str(home), f"it lists the key {fingerprint}, but gpg does not export it")
    return exported


def secret_keys(home: Path | None) -> frozenset[str]:
    """The primary keys with a secret part in the gpg home ``home`` (None: gpg's default home). Raises GpgError."""
    from portage_ext.trust.gpg_home import listed, opened

    keys = listed(opened(home), secret=True)
    return frozenset(key["fingerprint"].upper() for key in keys)


def add(directory: TrustDirectory, portage_home: Path, binrepo: str, fingerprint: str, data: bytes, where: str) -> None:
    """Pin the key ``fingerprint`` from the key file ``data`` for ``binrepo``, and let Portage verify packages with it.

    Raises KeyFileError, GpgError, OSError.
    """
    new = only([data], fingerprint, where)
    pins = directory.pins(binrepo) | {fingerprint}
    kept = _own(directory, binrepo, pins)
    kept[fingerprint] = only([kept[fingerprint], new], fingerprint, where) if fingerprint in kept else new
    let_portage_verify(portage_home, kept[fingerprint], fingerprint)
    directory.write(binrepo, pins, joined(kept))


def _own(directory: TrustDirectory, binrepo: str, pins: frozenset[str]) -> dict[str, bytes]:
    """The keys in our keyring of ``binrepo`` that are in ``pins``."""
    return {fingerprint: key for fingerprint, key in ring(directory.keyring_file(binrepo)).items() if fingerprint in pins}


@dataclass(frozen=True, slots=True)
class Removed:
    """The keys that are no longer trusted: the requested ones, the ``rotated`` ones that they had announced, and those of both
    that were also removed from Portage's keyring. ``left`` are the keys that are still trusted. ``remembered`` are the root
    keys whose signatures no longer count until the administrator pins them again."""

    keys: frozenset[str]
    rotated: frozenset[str]
    from_portage: frozenset[str]
    left: frozenset[str]
    remembered: frozenset[str] = frozenset()


def remove(directory: TrustDirectory, portage_home: Path, state: StateDirectory, fingerprint: str | None) -> Removed:
    """Stop trusting ``fingerprint`` (a pinned or rotated key; None: all keys) and every key that it announced.

    Keys that no binrepo trusts any more are removed from Portage's gpg home. Raises KeyFileError if the key was not trusted,
    GpgError, OSError.
    """
    binrepo = state.binrepo
    pins, seen, rotated = directory.pins(binrepo), _seen(state), ring(state.keyring_file)
    # If there are no pins, use the remembered ones: an earlier attempt may have deleted the pins and then failed in Portage's
    # keyring.
    every = pins or (seen.pins if seen is not None else pins)
    gone = every if fingerprint is None else frozenset({fingerprint})
    if not gone:
        raise NotPinnedError(binrepo, "no key is pinned for it")
    # Include a key that somebody deleted from the pins by hand: it and the keys that it announced are still in Portage's
    # keyring.
    known = grounded_keys(pins, seen) | (seen.pins | seen.removed if seen is not None else frozenset())
    if not gone <= pins | rotated.keys() | known:
        raise NotPinnedError(binrepo, f"{fingerprint} is not pinned for it, and did not come by rotation")
    left = pins - gone
    # Change the pins first. Even if a later step fails, the key is no longer trusted.
    if left:
        directory.write(binrepo, left, joined(_own(directory, binrepo, left)))
    else:
        directory.remove(binrepo)
    if seen is not None and not gone <= pins:
        seen = replace(seen, removed=seen.removed | gone)
        state.save(replace(state.load(), seen=seen))
    staying = grounded_keys(left, seen)
    announced = frozenset(rotated) | (frozenset(key for key, _ in seen.announced) if seen is not None else frozenset())
    dropped = announced - staying - gone
    _drop_state(state, {key: data for key, data in rotated.items() if key in staying}, keep_index=counts(left, seen))
    unused = (gone | dropped) - staying - believed_elsewhere(directory, state)
    forget_in_portage(portage_home, unused)
    return Removed(gone, dropped, unused, trusted_keys(left, seen))


def _seen(state: StateDirectory) -> Seen | None:
    """The remembered state; None if it cannot be read, and then no key is trusted because of it."""
    try:
        return state.load().seen
    except DamagedStateError:
        return None


def believed_elsewhere(directory: TrustDirectory, state: StateDirectory) -> frozenset[str]:
    """The keys that binrepos other than that of ``state`` need in Portage's keyring."""
    others = (name for name in directory.binrepos() if name != state.binrepo)
    return frozenset[str]().union(*(_believed(directory, state.eroot, name) for name in others))


def _believed(directory: TrustDirectory, eroot: Path, binrepo: str) -> frozenset[str]:
    """The keys that another binrepo needs in Portage's keyring. This includes retired keys, whose packages are still
    offered."""
    state = StateDirectory(eroot, binrepo)
    try:
        if directory.root_pins(binrepo) is not None:
            root = kept_root.believed(directory, state)
            return frozenset(root.release_keys) if root is not None else frozenset(ring(state.keyring_file))
        return grounded_keys(directory.pins(binrepo), state.load().seen)
    except DamagedStateError:
        return directory.pins(binrepo) | ring(state.keyring_file).keys()
    except SettingsError:
        # The pins of that binrepo cannot be read. Keep the keys in its keyrings, but let the other binrepo's keys be removed.
        return frozenset(ring(directory.keyring_file(binrepo)).keys() | ring(state.keyring_file).keys())


def _drop_state(state: StateDirectory, rotated: dict[str, bytes], *, keep_index: bool) -> None:
    """Delete all rotated keys but ``rotated``, and also the kept index unless ``keep_index`` says that its signer is
    trusted."""
    if rotated:
        files.replace_file(state.keyring_file, joined(rotated))
    else:
        state.keyring_file.unlink(missing_ok=True)
    if not keep_index:
        state.index_file.unlink(missing_ok=True)


def let_portage_verify(home: Path, key: bytes, fingerprint: str) -> None:
    """Import ``key``, a result of :func:`keyfiles.only`, into Portage's own gpg home and set ownertrust for ``fingerprint``
    only.

    Raises AdoptedKeyError if another key in that home claims it as a subkey, GpgError, OSError.
    """
    if not home.is_dir():
        files.make_directory(home)
        files.replace_file(home / "gpg.conf", _PORTAGE_OPTIONS.encode())
    gpg = gpg_in(home)
    before = keys_in(gpg)
    # If such a key were present, gpg would refuse to import the honest key, or would find the wrong one of the two.
    refuse_claims(before, fingerprint, str(home))
    gpg.import_keys(key)
    after = keys_in(gpg)
    brought = {one.primary for one in after} - {one.primary for one in before}
    if fingerprint not in {one.primary for one in after} or not brought <= {fingerprint}:
        named = ", ".join(sorted(brought)) or "nothing"
        raise GpgError(str(home), f"the import of {fingerprint} brought {named} into Portage's keyring")
    # Portage accepts only signatures by keys with full or ultimate trust.
    _trust(gpg, home, [fingerprint], "TRUST_ULTIMATE")
    _settle(home)


def forget_in_portage(home: Path, fingerprints: frozenset[str]) -> None:
    """Remove the keys with the primary ``fingerprints`` and their ownertrust from Portage's own gpg home. Raises GpgError."""
    if not fingerprints or not home.is_dir():
        return
    gpg = gpg_in(home)
    # gpg keeps the ownertrust of a deleted key. If the key were imported again in any way, it would be trusted at once.
    _trust(gpg, home, sorted(fingerprints), "TRUST_UNDEFINED")
    # gpg deletes the first key that claims the fingerprint, also as a subkey. So name only fingerprints of primary keys to it.
    for one in sorted(fingerprints & {key.primary for key in keys_in(gpg)}):
        gpg.delete_keys(one)
    left = fingerprints & {key.primary for key in keys_in(gpg)}
    if left:
        raise GpgError(str(home), f"the key {', '.join(sorted(left))} could not be deleted")
    _settle(home)


def _trust(gpg: gnupg.GPG, home: Path, fingerprints: list[str], level: str) -> None:
    try:
        gpg.trust_keys(fingerprints, level)
    except ValueError as error:
        # For example because the home cannot be written.
        raise GpgError(str(home), f"the trust in {', '.join(fingerprints)} cannot be written there ({error})") from error


def _settle(home: Path) -> None:
    """Update the trust database now, because the user nobody could not write it later. python-gnupg has no method for this."""
    command = ["gpg", "--homedir", str(home), "--batch", "--no-tty", "--quiet", "--no-autostart", "--check-trustdb"]
    status, _, said = run(command, what=f"it makes the trust database of {home}")
    if status:
        raise GpgError(str(home), f"its trust database cannot be made ({said.decode('utf-8', 'replace').strip()[-200:]})")
    _open_to_readers(home)


def _open_to_readers(home: Path) -> None:
    """Make the public files readable for all, because Portage runs gpg as the user nobody. Public keys are no secret."""
    for path in (home, *(home / name for name in _FOR_READERS)):
        if path.is_symlink() or not path.exists():
            continue
        mode = path.stat().st_mode & 0o777
        wanted = mode | (0o555 if path.is_dir() else 0o444)
        if mode != wanted and os.access(path, os.W_OK):
            path.chmod(wanted)
