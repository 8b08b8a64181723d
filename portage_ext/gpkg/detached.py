"""A detached signature that a verified Manifest covers is inspected, but not verified again.

The Manifest's signature binds the metadata and, by digest, its detached signature. A second check by gpg could only find that
a builder signed wrong data with its own trusted key. So it is enough that the packet names the key of the Manifest and has the
first bits of the right digest (RFC 9580, 5.2.3 and 5.2.4). Unusual packets are still checked by gpg, and with ``--verify`` all.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

from portage_ext.records import record

_HASHES: Final = {8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224"}
_BINARY: Final = 0
_ISSUER_FINGERPRINT: Final = 33


@record
class SignaturePacket:
    """The fields of a version 4 signature packet. ``fingerprint`` is in upper-case hexadecimal."""

    kind: int
    hash_name: str
    fingerprint: str
    trailer: bytes
    prefix: bytes

    def fits(self, data: bytes) -> bool:
        """Whether the first two digest bytes in the packet are those of a signature over ``data``."""
        digest = hashlib.new(self.hash_name, data + self.trailer).digest()
        return self.kind == _BINARY and digest[:2] == self.prefix


def binary_signature(data: bytes) -> bytes:
    """The binary packets of a detached signature, which may be armored. Raises ValueError."""
    if not data.startswith(b"-----BEGIN PGP SIGNATURE-----"):
        return data
    lines = data.replace(b"\r\n", b"\n").strip().split(b"\n")
    if lines[-1].strip() != b"-----END PGP SIGNATURE-----" or b"" not in lines:
        raise ValueError("not one armored signature")
    body = lines[lines.index(b"") + 1 : -1]
    if body and body[-1].startswith(b"="):  # the checksum of the armor, optional since RFC 9580
        body.pop()
    try:
        return base64.b64decode(b"".join(body), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def signed_message(signature: bytes, data: bytes) -> bytes:
    """Combine a detached signature (binary packets) and the signed data into one OpenPGP message (RFC 9580, 10.3)."""
    body = b"b\0" + bytes(4) + data
    return signature + b"\xcb\xff" + len(body).to_bytes(4, "big") + body


def _body(packet: bytes) -> bytes | None:
    """The body of ``packet``; None unless it is exactly one signature packet."""
    first = packet[0]
    if first & 0xFC == 0x88 and first & 3 != 3:  # old format, with a length of 1, 2 or 4 bytes
        size = 1 << (first & 3)
        length, start = int.from_bytes(packet[1 : 1 + size], "big"), 1 + size
    elif first == 0xC2 and packet[1] < 192:
        length, start = packet[1], 2
    elif first == 0xC2 and packet[1] < 224:
        length, start = ((packet[1] - 192) << 8) + packet[2] + 192, 3
    elif first == 0xC2 and packet[1] == 255:
        length, start = int.from_bytes(packet[2:6], "big"), 6
    else:
        return None
    return packet[start:] if len(packet) == start + length else None


def _issuer(subpackets: bytes) -> str | None:
    found = None
    while subpackets:
        length = subpackets[0]
        if length >= 192 or not 1 <= length < len(subpackets):
            return None
        if subpackets[1] & 0x7F == _ISSUER_FINGERPRINT and length == 22 and subpackets[2] == 4:
            found = subpackets[3 : 1 + length].hex().upper()
        subpackets = subpackets[1 + length :]
    return found


def parse_signature(packet: bytes) -> SignaturePacket | None:
    """Parse the single version 4 signature in ``packet``; None for anything else, which gpg must check."""
    try:
        body = _body(packet)
        if body is None or body[0] != 4 or body[3] not in _HASHES:
            return None
        hashed = int.from_bytes(body[4:6], "big")
        unhashed = int.from_bytes(body[6 + hashed : 8 + hashed], "big")
        fingerprint = _issuer(body[6 : 6 + hashed])
        prefix = body[8 + hashed + unhashed : 10 + hashed + unhashed]
    except IndexError:
        return None
    if fingerprint is None or len(prefix) != 2:
        return None
    head = body[: 6 + hashed]
    return SignaturePacket(body[1], _HASHES[body[3]], fingerprint, head + b"\x04\xff" + len(head).to_bytes(4, "big"), prefix)
