"""A key file is accepted only if it holds exactly one key: the primary key with the full fingerprint that was asked for.

Anybody can make a key that claims another key as its subkey, because only the claiming key signs the binding. gpg finds such a
key under the fingerprint of the claimed key and lists the subkey as valid. Only when it verifies a signature does gpg require
the signature of the claimed key itself (the cross-certification). Therefore a fingerprint always means a primary key here,
subkeys are never looked up, and a subkey is accepted only through gpg's VALIDSIG line.

gpg gets only packets of public keys from here: nothing secret, and nothing compressed, which could be a thousand times larger
when expanded. A key that this module returns was imported and exported minimally and then read again packet by packet, so it
has no certifications by other keys, no user attributes, and no second key beside it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from portage_ext import files
from portage_ext.errors.here import AdoptedKeyError
from portage_ext.errors.trust import GpgError, KeyFileError
from portage_ext.records import record

if TYPE_CHECKING:
    import gnupg

EXPORT_MINIMALLY: Final = "--export-options=export-minimal,no-export-attributes"
_MINIMAL: Final = ("--import-options=import-minimal", EXPORT_MINIMALLY)
_PRIMARY: Final = 6
_TAGS: Final = frozenset({_PRIMARY, 2, 13, 14})
"""Packet tags: primary key, signature, user id, subkey (RFC 4880, 4.3)."""
_FOREIGN_TAGS: Final = _TAGS | {17}
"""The input may also have user attributes (pictures); they are removed."""
_ARMOR: Final = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----[ \t]*\r?\n(?:[A-Za-z]+: [^\n]*\n)*[ \t]*\r?\n"
    rb"([A-Za-z0-9+/=\s]*)-----END PGP PUBLIC KEY BLOCK-----"
)
_CHECKSUM: Final = re.compile(rb"\n=[A-Za-z0-9+/]{4}\s*\Z")


def key_path(fingerprint: str) -> str:
    """The path of a published key below the base URL of a binhost."""
    return f"keys/{fingerprint}.asc"


@record
class PublicKey:
    """A public key: fingerprints of the primary and its subkeys, user ids, expiry (seconds since the epoch, 0: never).

    ``subkeys`` are the subkeys that the key claims; this alone does not prove that they belong to it.
    """

    primary: str
    subkeys: tuple[str, ...]
    user_ids: tuple[str, ...]
    expires: int
    revoked: bool
    expired: bool


def gpg_in(home: str | Path, *options: str) -> gnupg.GPG:
    """Open the gpg home ``home`` with python-gnupg. Raises GpgError."""
    # python-gnupg is slow to import, and only the commands that manage keys need it.
    from portage_ext.trust.gpg_home import opened

    return opened(home, "--no-autostart", "--batch", "--no-tty", *options)


def keys_in(gpg: gnupg.GPG, fingerprint: str | None = None) -> list[PublicKey]:
    """Every public key in a gpg home; with a ``fingerprint``, only those that have it or claim it. Raises GpgError."""
    from portage_ext.trust.gpg_home import listed

    return [
        PublicKey(
            primary=key["fingerprint"].upper(),
            subkeys=tuple(fields[2].upper() for fields in key["subkeys"]),
            user_ids=tuple(key["uids"]),
            expires=int(key["expires"] or 0),
            revoked=key["trust"] == "r",
            expired=key["trust"] == "e",
        )
        for key in listed(gpg, of=fingerprint)
    ]


def read_keys(data: bytes) -> list[PublicKey]:
    """The public keys in ``data``, armored or binary. Raises GpgError."""
    with files.temporary() as home:
        gpg = gpg_in(home)
        gpg.import_keys(data)
        return keys_in(gpg)


def only(pieces: Sequence[bytes], fingerprint: str, where: str) -> bytes:
    """The key with the primary ``fingerprint``, exported minimally in binary form.

    Each of ``pieces`` is a copy of the key, perhaps of a different age, and must hold only this key; the copies are merged.
    Raises AdoptedKeyError, KeyFileError if there is anything else or the key is revoked or expired, GpgError.
    """
    with files.temporary() as home:
        gpg = gpg_in(home, *_MINIMAL)
        counts = [gpg.import_keys(_binary(piece, where)).count for piece in pieces]
        found = keys_in(gpg)
        refuse_claims(found, fingerprint, where)
        if not any(key.primary == fingerprint for key in found):
            there = ", ".join(key.primary for key in found) or "no key at all"
            raise KeyFileError(where, f"it does not hold {fingerprint}, but {there}")
        if len(found) != 1 or any(count != 1 for count in counts):
            there = ", ".join(key.primary for key in found if key.primary != fingerprint) or "other key material"
            raise KeyFileError(
                where,
                f"beside the public key {fingerprint} it holds {there}; make a file of that key alone by gpg --export",
            )
        return _exported(gpg, found[0], where)


def own(gpg: gnupg.GPG, fingerprint: str, where: str) -> bytes:
    """The key with the primary ``fingerprint`` of a user's own gpg home, which ``gpg`` exports minimally; in binary form.

    Raises AdoptedKeyError, KeyFileError if the key is revoked or expired, GpgError.
    """
    found = keys_in(gpg, fingerprint)
    refuse_claims(found, fingerprint, where)
    if [key.primary for key in found] != [fingerprint]:
        raise KeyFileError(where, f"gpg does not list {fingerprint}")
    return _exported(gpg, found[0], where)


def _exported(gpg: gnupg.GPG, key: PublicKey, where: str) -> bytes:
    fingerprint = key.primary
    if key.revoked:
        raise KeyFileError(where, f"the key {fingerprint} is revoked")
    if key.expired:
        how = f"its owner can prolong it by `gpg --quick-set-expire {fingerprint} never`, and export it again"
        raise KeyFileError(where, f"the key {fingerprint} has expired; {how}")
    exported = gpg.export_keys(fingerprint, armor=False)
    if not isinstance(exported, bytes) or not exported:
        raise GpgError("gpg", f"the public key {fingerprint} cannot be exported")
    if list(split(exported, where)) != [fingerprint] or not {tag for tag, _, _ in _packets(exported, where)} <= _TAGS:
        raise KeyFileError(where, f"after an import and an export there is more in it than the key {fingerprint}")
    return exported


def _binary(data: bytes, where: str) -> bytes:
    """``data`` without its armor (RFC 4880, 6.2). Raises KeyFileError if it has any packet that is not part of a public key."""
    if not data[:1] >= b"\x80":
        blocks = [_CHECKSUM.sub(b"", block) for block in _ARMOR.findall(data)]
        try:
            data = b"".join(base64.b64decode(b"".join(block.split()), validate=True) for block in blocks)
        except ValueError as error:
            raise KeyFileError(where, f"its armor is damaged ({error})") from error
    foreign = {tag for tag, _, _ in _packets(data, where)} - _FOREIGN_TAGS
    if foreign:
        raise KeyFileError(where, f"it holds OpenPGP packets of the kinds {sorted(foreign)}, which are no part of a public key")
    return data


def refuse_claims(found: Sequence[PublicKey], fingerprint: str, where: str) -> None:
    """Raise AdoptedKeyError if one of the keys ``found`` claims ``fingerprint`` as its subkey."""
    for key in found:
        if fingerprint in key.subkeys:
            raise AdoptedKeyError(where, f"its key {key.primary} claims {fingerprint} as a subkey")


def ring(path: Path) -> dict[str, bytes]:
    """The keys of our own keyring file ``path``; none where it is absent or damaged: what lacks its key is refused by name."""
    try:
        return split(path.read_bytes(), str(path))
    except (FileNotFoundError, KeyFileError):
        return {}


def split(keyring: bytes, where: str) -> dict[str, bytes]:
    """The keys of a binary ``keyring``, by the fingerprint of the primary, as gpg exported them. Raises KeyFileError."""
    keys: dict[str, bytes] = {}
    current = ""
    for tag, body, packet in _packets(keyring, where):
        if tag == _PRIMARY:
            current = _fingerprint(body, where)
        elif not current:
            raise KeyFileError(where, "it does not begin with a public key")
        keys[current] = keys.get(current, b"") + packet
    return keys


def joined(keys: Mapping[str, bytes]) -> bytes:
    """The keyring that ``split`` takes apart."""
    return b"".join(keys[fingerprint] for fingerprint in sorted(keys))


def _packets(data: bytes, where: str) -> Iterator[tuple[int, bytes, bytes]]:
    """Tag, body and whole of each packet (RFC 4880, 4.2)."""
    at = 0
    while at < len(data):
        tag, start, size = _header(data, at, where)
        if start + size > len(data):
            raise KeyFileError(where, f"its OpenPGP packet at byte {at} is cut off")
        yield tag, data[start : start + size], data[at : start + size]
        at = start + size


def _header(data: bytes, at: int, where: str) -> tuple[int, int, int]:
    """Tag, offset and size of the body of the packet at ``at``.

    Partial and indeterminate lengths are refused, because gpg never exports keys with them.
    """
    head, length = data[at], data[at + 1 : at + 6].ljust(5, b"\0")
    first = length[0]
    match head >> 6:
        case 3 if first < 192:
            return head & 0x3F, at + 2, first
        case 3 if first < 224:
            return head & 0x3F, at + 3, ((first - 192) << 8) + length[1] + 192
        case 3 if first == 255:
            return head & 0x3F, at + 6, int.from_bytes(length[1:], "big")
        case 2 if head & 3 != 3:
            octets = 1 << (head & 3)
            return head >> 2 & 0x0F, at + 1 + octets, int.from_bytes(length[:octets], "big")
    raise KeyFileError(where, f"at byte {at} there is no OpenPGP packet of a key")


def _fingerprint(body: bytes, where: str) -> str:
    """The fingerprint of a public key packet (RFC 4880, 12.2; version 5 as GnuPG writes it)."""
    if body[:1] == b"\x04" and len(body) < 1 << 16:
        head = b"\x99" + len(body).to_bytes(2, "big")
        return hashlib.sha1(head + body, usedforsecurity=False).hexdigest().upper()
    if body[:1] == b"\x05":
        return hashlib.sha256(b"\x9a" + len(body).to_bytes(4, "big") + body).hexdigest().upper()
    raise KeyFileError(where, "it holds a public key of an unknown version")
