"""A stranger's OpenPGP key that adopts a foreign public key as its subkey, made of packets by hand (RFC 4880).

Nobody needs the secret of a key to bind it as a subkey: the binding is signed by the adopting primary key alone. Only a
subkey that signs must agree, by a cross-certification, which a stranger cannot make.
"""

from __future__ import annotations

import hashlib
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.testkit import keys
from tests.testkit.keys import SigningKey

_ED25519 = bytes.fromhex("092b06010401da470f01")
"""Its OID, with its length before it."""
SIGN, ENCRYPT = 0x02, 0x0C
"""Key flags of a binding."""


def packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and body of each packet of a binary key."""
    at = 0
    while at < len(data):
        head = data[at]
        if head & 0x40:
            tag, first = head & 0x3F, data[at + 1]
            if first < 192:
                size, at = first, at + 2
            elif first < 224:
                size, at = ((first - 192) << 8) + data[at + 2] + 192, at + 3
            else:
                size, at = int.from_bytes(data[at + 2 : at + 6], "big"), at + 6
        else:
            tag, octets = head >> 2 & 0x0F, 1 << (head & 3)
            size, at = int.from_bytes(data[at + 1 : at + 1 + octets], "big"), at + 1 + octets
        yield tag, data[at : at + size]
        at += size


def packet(tag: int, body: bytes) -> bytes:
    return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body


def _mpi(number: bytes) -> bytes:
    value = number.lstrip(b"\0")
    bits = len(value) * 8 - (8 - value[0].bit_length()) if value else 0
    return struct.pack(">H", bits) + value


def _hashed(body: bytes) -> bytes:
    return b"\x99" + struct.pack(">H", len(body)) + body


@dataclass(frozen=True, slots=True)
class Stranger:
    """A primary key, whose secret we hold in memory. ``body`` is of its public key packet."""

    secret: Ed25519PrivateKey
    body: bytes
    user_id: bytes

    @classmethod
    def new(cls, user_id: str = "Tiny Binhost <binhost@example.invalid>") -> Stranger:
        secret = Ed25519PrivateKey.generate()
        point = secret.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        created = int(time.time()) - 60
        return cls(secret, struct.pack(">BIB", 4, created, 22) + _ED25519 + _mpi(b"\x40" + point), user_id.encode())

    @property
    def fingerprint(self) -> str:
        return hashlib.sha1(_hashed(self.body), usedforsecurity=False).hexdigest().upper()

    def public(self, *adopted: bytes) -> bytes:
        """The public key, with ``adopted`` (bodies of foreign public key packets) bound to it, to encrypt and to sign."""
        made = packet(6, self.body) + packet(13, self.user_id)
        made += self._signature(0x13, _hashed(self.body) + b"\xb4" + struct.pack(">I", len(self.user_id)) + self.user_id, 0x03)
        for body in adopted:
            for flags in (SIGN, ENCRYPT):
                made += packet(14, body) + self._signature(0x18, _hashed(self.body) + _hashed(body), flags)
        return made

    def signing_key(self, home: Path) -> SigningKey:
        """The same key in a gpg home, to sign with."""
        home.mkdir(mode=0o700, parents=True)
        raw = self.secret.private_bytes(
            serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
        )
        number = _mpi(raw)
        secret = self.body + b"\0" + number + struct.pack(">H", sum(number) & 0xFFFF)
        public = self.public()
        keys.gpg(home, "--import", stdin=packet(5, secret) + public[len(packet(6, self.body)) :])
        return SigningKey(home, self.fingerprint)

    def _signature(self, kind: int, over: bytes, flags: int) -> bytes:
        fingerprint = bytes.fromhex(self.fingerprint)
        hashed = (
            b"\x16\x21\x04"
            + fingerprint
            + b"\x05\x02"
            + struct.pack(">I", int(time.time()) - 30)
            + b"\x02\x1b"
            + bytes([flags])
        )
        head = bytes([4, kind, 22, 10]) + struct.pack(">H", len(hashed)) + hashed
        digest = hashlib.sha512(over + head + b"\x04\xff" + struct.pack(">I", len(head))).digest()
        signed = self.secret.sign(digest)
        issuer = b"\x09\x10" + fingerprint[-8:]
        body = head + struct.pack(">H", len(issuer)) + issuer + digest[:2] + _mpi(signed[:32]) + _mpi(signed[32:])
        return packet(2, body)


def key_body(key: SigningKey) -> bytes:
    """The body of the public key packet of ``key``."""
    return next(body for tag, body in packets(keys.gpg(key.home, "--export", key.fingerprint)) if tag == 6)
