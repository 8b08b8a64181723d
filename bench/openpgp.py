"""Signs tens of thousands of benchmark packages in a minute; gpg, at three processes a package, would take an hour.

The key is made by gpg in a home of its own, and gpg verifies the results like any others. RFC 9580 (and RFC 4880bis for the
"EdDSA legacy" form that gpg uses): version 4 signature packets.
"""

from __future__ import annotations

import base64
import hashlib
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def _gpg(home: Path, *arguments: str) -> bytes:
    command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    return subprocess.run([*command, *arguments], stdout=subprocess.PIPE, check=True).stdout


def _mpi(data: bytes) -> bytes:
    number = data.lstrip(b"\0")
    bits = (len(number) - 1) * 8 + number[0].bit_length() if number else 0
    return struct.pack(">H", bits) + number


def _packet(tag: int, body: bytes) -> bytes:
    return bytes((0xC0 | tag, 0xFF)) + struct.pack(">I", len(body)) + body


def _crc24(data: bytes) -> bytes:
    value = 0xB704CE
    for byte in data:
        value ^= byte << 16
        for _ in range(8):
            value <<= 1
            if value & 0x1000000:
                value ^= 0x1864CFB
    return value.to_bytes(3, "big")


def _armor(data: bytes) -> bytes:
    # gpg 2.2 misreads the end of an armor without checksum in a clear-signed message.
    lines = base64.encodebytes(data).replace(b"\n", b"")
    wrapped = b"\n".join(lines[at : at + 64] for at in range(0, len(lines), 64))
    return (
        b"-----BEGIN PGP SIGNATURE-----\n\n"
        + wrapped
        + b"\n="
        + base64.b64encode(_crc24(data))
        + b"\n-----END PGP SIGNATURE-----\n"
    )


@dataclass(frozen=True, slots=True)
class Signer:
    """An unprotected ed25519 primary key, taken out of a gpg home."""

    key: Ed25519PrivateKey
    fingerprint: str

    @classmethod
    def from_home(cls, home: Path) -> Signer:
        """The key of ``home``, which is made when it is not there."""
        if not home.is_dir():
            home.mkdir(mode=0o700, parents=True)
            _gpg(home, "--quick-generate-key", "Bench <bench@example.invalid>", "ed25519", "sign", "never")
        listing = _gpg(home, "--with-colons", "--list-secret-keys").decode().splitlines()
        fingerprint = next(line.split(":")[9] for line in listing if line.startswith("fpr:"))
        packet = _gpg(home, "--export-secret-keys")
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
        # The first packet is the secret key: the last MPI of its body is the seed, a 16-bit checksum follows.
        length = packet[1] if packet[0] & 0x40 or packet[0] & 3 == 0 else struct.unpack(">H", packet[1:3])[0]
        start = 2 if packet[0] & 0x40 or packet[0] & 3 == 0 else 3
        body = packet[start : start + length]
        curve = body[6]
        public = 7 + curve
        secret = public + 2 + (struct.unpack(">H", body[public : public + 2])[0] + 7) // 8
        if body[secret] != 0:
            raise SystemExit(f"the key in {home} has a passphrase")
        size = (struct.unpack(">H", body[secret + 1 : secret + 3])[0] + 7) // 8
        seed = body[secret + 3 : secret + 3 + size].rjust(32, b"\0")
        return cls(Ed25519PrivateKey.from_private_bytes(seed), fingerprint)

    def _signature(self, kind: int, data: bytes) -> bytes:
        issuer = bytes.fromhex(self.fingerprint)
        hashed = b"\x05\x02" + struct.pack(">I", int(time.time())) + bytes((len(issuer) + 2, 33, 4)) + issuer
        head = bytes((4, kind, 22, 10)) + struct.pack(">H", len(hashed)) + hashed
        digest = hashlib.sha512(data + head + b"\x04\xff" + struct.pack(">I", len(head))).digest()
        signature = self.key.sign(digest)
        unhashed = bytes((9, 16)) + issuer[-8:]
        body = head + struct.pack(">H", len(unhashed)) + unhashed + digest[:2] + _mpi(signature[:32]) + _mpi(signature[32:])
        return _packet(2, body)

    def detached(self, data: bytes) -> bytes:
        """An armored detached signature over ``data``."""
        return _armor(self._signature(0, data))

    def clear(self, text: str) -> bytes:
        """``text`` (lines that need no dash escape) clear-signed."""
        lines = text.rstrip("\n").split("\n")
        canonical = "\r\n".join(line.rstrip(" \t") for line in lines).encode()
        return (
            b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"
            + "\n".join(lines).encode()
            + b"\n"
            + _armor(self._signature(1, canonical))
        )
