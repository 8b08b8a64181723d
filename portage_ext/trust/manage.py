"""Keys come in by whole fingerprint only: the pinned primary key enters a keyring, and nothing that came along with it.

Portage judges packages by its own gpg home, so the key goes there too; there it can only help to accept what is signed by
it, while our own keyring of each binrepo decides for which binrepo it counts. Done through python-gnupg.
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
"""Portage verifies as nobody, who can neither lock nor own the home."""
_FOR_READERS: Final = ("pubring.kbx", "pubring.gpg", "trustdb.gpg", "gpg.conf", "common.conf", "public-keys.d")
"""What gpg reads to verify. All else in a home may be secret: keys and passphrases, of old versions and of other programs."""


def present_in_portage(home: Path, fingerprint: str) -> bytes:
    """The key out of a gpg home such as Portage's own, empty when it is not there.

    What claims it as a subkey comes along, for the caller to refuse by name. Raises GpgError where gpg cannot say whether it is
    there, or does not export it.
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
    """The primary keys of which gpg's ``home`` (None: its own) has the secret part. Raises GpgError."""
    from portage_ext.trust.gpg_home import listed, opened

    keys = listed(opened(home), secret=True)
    return frozenset(key["fingerprint"].upper() for key in keys)


def add(directory: TrustDirectory, portage_home: Path, binrepo: str, fingerprint: str, data: bytes, where: str) -> None:
    """Pin ``fingerprint``, found in ``data``, for ``binrepo``, and let Portage verify packages with it.

    Raises KeyFileError, GpgError, OSError.
    """
    new = only([data], fingerprint, where)
    pins = directory.pins(binrepo) | {fingerprint}
    kept = _own(directory, binrepo, pins)
    kept[fingerprint] = only([kept[fingerprint], new], fingerprint, where) if fingerprint in kept else new
    let_portage_verify(portage_home, kept[fingerprint], fingerprint)
    directory.write(binrepo, pins, joined(kept))


def _own(directory: TrustDirectory, binrepo: str, pins: frozenset[str]) -> dict[str, bytes]:
    """The keys of our own keyring of ``binrepo`` that have ``pins``."""
    return {fingerprint: key for fingerprint, key in ring(directory.keyring_file(binrepo)).items() if fingerprint in pins}


@dataclass(frozen=True, slots=True)
class Removed:
    """What is believed no more: the keys that were asked for, ``rotated`` ones that they had announced, and those of both
    that were taken out of Portage's keyring too. ``left`` are the keys that are believed still, ``remembered`` the root keys
    whose signatures do not count any more, until the administrator takes that back."""

    keys: frozenset[str]
    rotated: frozenset[str]
    from_portage: frozenset[str]
    left: frozenset[str]
    remembered: frozenset[str] = frozenset()


def remove(directory: TrustDirectory, portage_home: Path, state: StateDirectory, fingerprint: str | None) -> Removed:
    """Believe ``fingerprint`` (pinned, or come by rotation; None: all) no more, nor any key that it brought in.

    Portage's home forgets keys that no binrepo believes. Raises KeyFileError when it is not believed, GpgError, OSError.
    """
    binrepo = state.binrepo
    pins, seen, rotated = directory.pins(binrepo), _seen(state), ring(state.keyring_file)
    # Without pins, those that there were: an earlier attempt may have taken the pins away, and failed over Portage's keyring.
    every = pins or (seen.pins if seen is not None else pins)
    gone = every if fingerprint is None else frozenset({fingerprint})
    if not gone:
        raise NotPinnedError(binrepo, "no key is pinned for it")
    # Also one that somebody took out of the pins by hand: it is still in Portage's keyring, and what it announced is too.
    known = grounded_keys(pins, seen) | (seen.pins | seen.removed if seen is not None else frozenset())
    if not gone <= pins | rotated.keys() | known:
        raise NotPinnedError(binrepo, f"{fingerprint} is not pinned for it, and did not come by rotation")
    left = pins - gone
    # The pins first: whatever fails below, the key is believed no more.
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
    """What is remembered; nothing where that cannot be read: then no key counts by it."""
    try:
        return state.load().seen
    except DamagedStateError:
        return None


def believed_elsewhere(directory: TrustDirectory, state: StateDirectory) -> frozenset[str]:
    """The keys that other binrepos than that of ``state`` need in Portage's keyring."""
    others = (name for name in directory.binrepos() if name != state.binrepo)
    return frozenset[str]().union(*(_believed(directory, state.eroot, name) for name in others))


def _believed(directory: TrustDirectory, eroot: Path, binrepo: str) -> frozenset[str]:
    """The keys that another binrepo needs in Portage's keyring. Retired ones have signed packages that are still offered."""
    state = StateDirectory(eroot, binrepo)
    try:
        if directory.root_pins(binrepo) is not None:
            root = kept_root.believed(directory, state)
            return frozenset(root.release_keys) if root is not None else frozenset(ring(state.keyring_file))
        return grounded_keys(directory.pins(binrepo), state.load().seen)
    except DamagedStateError:
        return directory.pins(binrepo) | ring(state.keyring_file).keys()
    except SettingsError:
        # Its pins cannot be read: what it has is left to it, and keeps no key of another binrepo from going.
        return frozenset(ring(directory.keyring_file(binrepo)).keys() | ring(state.keyring_file).keys())


def _drop_state(state: StateDirectory, rotated: dict[str, bytes], *, keep_index: bool) -> None:
    """Keep ``rotated`` alone of the rotated keys, and the index only where the key behind it is believed."""
    if rotated:
        files.replace_file(state.keyring_file, joined(rotated))
    else:
        state.keyring_file.unlink(missing_ok=True)
    if not keep_index:
        state.index_file.unlink(missing_ok=True)


def let_portage_verify(home: Path, key: bytes, fingerprint: str) -> None:
    """Import ``key``, as ``only`` gave it, into Portage's own gpg home, and trust ``fingerprint`` there and nothing else.

    Raises AdoptedKeyError when a key there claims it, GpgError, OSError.
    """
    if not home.is_dir():
        files.make_directory(home)
        files.replace_file(home / "gpg.conf", _PORTAGE_OPTIONS.encode())
    gpg = gpg_in(home)
    before = keys_in(gpg)
    # Beside such a key gpg refuses to import the honest one, or finds the wrong one of the two.
    refuse_claims(before, fingerprint, str(home))
    gpg.import_keys(key)
    after = keys_in(gpg)
    brought = {one.primary for one in after} - {one.primary for one in before}
    if fingerprint not in {one.primary for one in after} or not brought <= {fingerprint}:
        named = ", ".join(sorted(brought)) or "nothing"
        raise GpgError(str(home), f"the import of {fingerprint} brought {named} into Portage's keyring")
    # Portage accepts a signature by a key of full or ultimate trust only.
    _trust(gpg, home, [fingerprint], "TRUST_ULTIMATE")
    _settle(home)


def forget_in_portage(home: Path, fingerprints: frozenset[str]) -> None:
    """Take the keys with the primary ``fingerprints`` out of Portage's own gpg home, and their trust. Raises GpgError."""
    if not fingerprints or not home.is_dir():
        return
    gpg = gpg_in(home)
    # gpg keeps the trust of a key that is deleted: if the key came back by any way, it would be believed at once.
    _trust(gpg, home, sorted(fingerprints), "TRUST_UNDEFINED")
    # gpg deletes the first key that claims a fingerprint, so only what is there as a primary key is named to it.
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
        # As where the home cannot be written.
        raise GpgError(str(home), f"the trust in {', '.join(fingerprints)} cannot be written there ({error})") from error


def _settle(home: Path) -> None:
    """Work out the trust database now (python-gnupg has no word for it): nobody could not write it later."""
    command = ["gpg", "--homedir", str(home), "--batch", "--no-tty", "--quiet", "--no-autostart", "--check-trustdb"]
    status, _, said = run(command, what=f"it makes the trust database of {home}")
    if status:
        raise GpgError(str(home), f"its trust database cannot be made ({said.decode('utf-8', 'replace').strip()[-200:]})")
    _open_to_readers(home)


def _open_to_readers(home: Path) -> None:
    """Portage drops to nobody before it runs gpg; public keys are no secret."""
    for path in (home, *(home / name for name in _FOR_READERS)):
        if path.is_symlink() or not path.exists():
            continue
        mode = path.stat().st_mode & 0o777
        wanted = mode | (0o555 if path.is_dir() else 0o444)
        if mode != wanted and os.access(path, os.W_OK):
            path.chmod(wanted)
