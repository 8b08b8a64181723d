"""Keys come in by whole fingerprint only: of a file of keys, just the pinned one enters a keyring.

Portage judges packages by its own gpg home, so the key goes there too; there it can only help to accept what is signed by
it, while our own keyring of each binrepo decides for which binrepo it counts. Done through python-gnupg.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from portage_ext.errors.trust import GpgError, KeyFileError
from portage_ext.trust.gpg import environment
from portage_ext.trust.keyrings import TrustDirectory

if TYPE_CHECKING:
    import gnupg

_PORTAGE_OPTIONS: Final = "lock-never\nno-permission-warning\n"
"""Portage verifies as nobody, who can neither lock nor own the home."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key: fingerprints of the primary and its subkeys, user ids, expiry (seconds since the epoch, 0: never)."""

    primary: str
    subkeys: tuple[str, ...]
    user_ids: tuple[str, ...]
    expires: int
    revoked: bool
    expired: bool


def _gpg(home: str | Path) -> gnupg.GPG:
    # Slow to import, and only the commands that manage keys need it.
    import gnupg

    try:
        return gnupg.GPG(gnupghome=str(home), options=["--no-autostart", "--batch", "--no-tty"])
    except (OSError, ValueError, RuntimeError) as error:
        raise GpgError("gpg", str(error)) from error


def _keys(gpg: gnupg.GPG) -> list[PublicKey]:
    return [
        PublicKey(
            primary=key["fingerprint"].upper(),
            subkeys=tuple(fields[2].upper() for fields in key["subkeys"]),
            user_ids=tuple(key["uids"]),
            expires=int(key["expires"] or 0),
            revoked=key["trust"] == "r",
            expired=key["trust"] == "e",
        )
        for key in gpg.list_keys()
    ]


def read_keys(data: bytes) -> list[PublicKey]:
    """The public keys in ``data``, armored or binary. Raises GpgError."""
    with tempfile.TemporaryDirectory(prefix="portage-ext.") as home:
        gpg = _gpg(home)
        gpg.import_keys(data)
        return _keys(gpg)


def extract(data: Iterable[bytes], fingerprints: Iterable[str], where: str) -> bytes:
    """The keys that have ``fingerprints`` (of a primary key or subkey) out of ``data``, as a keyring file.

    Raises KeyFileError when one is absent, revoked or expired.
    """
    with tempfile.TemporaryDirectory(prefix="portage-ext.") as home:
        gpg = _gpg(home)
        for one in data:
            if one:
                gpg.import_keys(one)
        found = _keys(gpg)
        primaries = []
        for fingerprint in sorted(fingerprints):
            key = next((key for key in found if fingerprint in (key.primary, *key.subkeys)), None)
            if key is None:
                there = ", ".join(key.primary for key in found) or "no key at all"
                raise KeyFileError(where, f"it does not hold {fingerprint}, but {there}")
            if key.revoked or key.expired:
                raise KeyFileError(where, f"the key {fingerprint} {'is revoked' if key.revoked else 'has expired'}")
            primaries.append(key.primary)
        keyring = gpg.export_keys(list(dict.fromkeys(primaries)), armor=False)
        if not isinstance(keyring, bytes):
            raise GpgError("gpg", "the keys could not be exported")
        return keyring


def present_in_portage(home: Path, fingerprint: str) -> bytes:
    """The key out of Portage's own home, empty when it is not there."""
    if not home.is_dir():
        return b""
    exported = _gpg(home).export_keys(fingerprint, armor=False)
    return exported if isinstance(exported, bytes) else b""


def add(directory: TrustDirectory, portage_home: Path, binrepo: str, fingerprint: str, data: bytes, where: str) -> None:
    """Pin ``fingerprint``, found in ``data``, for ``binrepo``, and let Portage verify packages with it.

    Raises KeyFileError, GpgError, OSError.
    """
    extract([data], [fingerprint], where)
    pins = directory.pins(binrepo) | {fingerprint}
    ring = directory.keyring_file(binrepo)
    before = ring.read_bytes() if ring.exists() else b""
    keyring = extract([before, data], pins, where)
    let_portage_verify(portage_home, keyring)
    directory.write(binrepo, pins, keyring)


def remove(directory: TrustDirectory, portage_home: Path, binrepo: str, fingerprint: str | None) -> frozenset[str]:
    """Unpin ``fingerprint`` (None: all) for ``binrepo``; Portage's home forgets keys that no binrepo pins. Returns those.

    Raises KeyFileError when it is not pinned, GpgError, OSError.
    """
    pins = directory.pins(binrepo)
    gone = pins if fingerprint is None else frozenset({fingerprint})
    if not gone or not gone <= pins:
        raise KeyFileError(
            binrepo, f"{fingerprint or 'no key'} is not pinned for it" if fingerprint else "no key is pinned for it"
        )
    left = pins - gone
    if left:
        directory.write(binrepo, left, extract([directory.keyring_file(binrepo).read_bytes()], left, binrepo))
    else:
        directory.remove(binrepo)
    elsewhere = frozenset[str]().union(*(directory.pins(name) for name in directory.binrepos()))
    unused = gone - elsewhere
    if unused and portage_home.is_dir():
        gpg = _gpg(portage_home)
        for one in sorted(unused):
            gpg.delete_keys(one)
        _settle(portage_home)
    return unused


def let_portage_verify(home: Path, keyring: bytes) -> None:
    """Import ``keyring`` into Portage's own gpg home and trust its keys there. Raises GpgError, OSError."""
    if not home.is_dir():
        home.mkdir(parents=True)
        home.chmod(0o755)
        (home / "gpg.conf").write_text(_PORTAGE_OPTIONS)
    gpg = _gpg(home)
    fingerprints = [result["fingerprint"] for result in gpg.import_keys(keyring).results if result.get("fingerprint")]
    if not fingerprints:
        raise GpgError(str(home), "the key could not be imported into Portage's keyring")
    # Portage accepts a signature by a key of full or ultimate trust only.
    gpg.trust_keys(fingerprints, "TRUST_ULTIMATE")
    _settle(home)


def _settle(home: Path) -> None:
    """Work out the trust database now (python-gnupg has no word for it): nobody could not write it later."""
    command = ["gpg", "--homedir", str(home), "--batch", "--no-tty", "--quiet", "--no-autostart", "--check-trustdb"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=environment(), check=False)
    if done.returncode:
        raise GpgError(
            str(home), f"its trust database cannot be made ({done.stderr.decode('utf-8', 'replace').strip()[-200:]})"
        )
    _open_to_readers(home)


def _open_to_readers(home: Path) -> None:
    """Portage drops to nobody before it runs gpg; public keys are no secret."""
    for path in [home, *home.iterdir()]:
        if path.is_symlink() or path.name.startswith(("S.", "private-keys", "pass")) or path.name.endswith((".lock", "~")):
            continue
        mode = path.stat().st_mode & 0o777
        wanted = mode | (0o555 if path.is_dir() else 0o444)
        if mode != wanted and os.access(path, os.W_OK):
            path.chmod(wanted)
