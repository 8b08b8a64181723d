"""Only the text that a signature covers is trusted: anything before, after or between it is refused.

The Manifest of a gpkg lists every other member with its size and digests (GLEP 74 ``DATA`` lines); in a signed package it is
clear-signed (RFC 9580, 7).
"""

from __future__ import annotations

import re
from typing import Final

from portage_ext.model import STRONG
from portage_ext.records import record

_BEGIN: Final = b"-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE: Final = b"-----BEGIN PGP SIGNATURE-----"
_END: Final = b"-----END PGP SIGNATURE-----"
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")
_TEXT: Final = re.compile(r"[\n -~]*")
"""The only white space is blank and newline, because Portage treats a form feed as a line end and other characters as
blanks."""
_HEX: Final = {name: re.compile(r"[0-9A-Fa-f]{128}") for name in STRONG}

_USUAL: Final = re.compile(r"DATA ([A-Za-z0-9_][A-Za-z0-9._+-]*) ([0-9]{1,19}) BLAKE2B ([0-9a-f]{128}) SHA512 ([0-9a-f]{128})")
"""The lines that Portage writes."""


class ManifestError(Exception):
    """The Manifest is malformed or ambiguous."""


@record
class Record:
    """One DATA line: the name without directory, the size in bytes, BLAKE2B and SHA512 in lower-case hexadecimal."""

    name: str
    size: int
    blake2b: str
    sha512: str


@record
class Manifest:
    """A parsed Manifest. ``signature`` is the armored block if it is clear-signed, else None."""

    records: tuple[Record, ...]
    text: bytes
    signature: bytes | None

    def by_name(self) -> dict[str, Record]:
        return {record.name: record for record in self.records}


def split_signed(data: bytes) -> tuple[bytes, bytes | None]:
    """Split a clear-signed message into the signed text and the armored signature. Other data is returned unchanged, with None.

    Raises ManifestError if there is anything outside the signed message.
    """
    if _BEGIN not in data and _SIGNATURE not in data and _END not in data:
        return data, None
    lines = data.replace(b"\r\n", b"\n").split(b"\n")
    if b"\r" in data.replace(b"\r\n", b"") or lines[0].rstrip(b" \t") != _BEGIN:
        raise ManifestError("text before the signed message")
    while lines and not lines[-1].strip():
        lines.pop()
    if lines[-1].rstrip(b" \t") != _END:
        raise ManifestError("text after the signature")
    marks = [(number, line.rstrip(b" \t")) for number, line in enumerate(lines) if line.startswith(b"-----")]
    if [mark for _, mark in marks] != [_BEGIN, _SIGNATURE, _END]:
        raise ManifestError("not one signed message with one signature block")
    number = 1
    while number < len(lines) and lines[number].strip():
        if not lines[number].startswith(b"Hash: "):
            raise ManifestError("an unknown armor header in the signed message")
        number += 1
    body = lines[number + 1 : marks[1][0]]
    if any(line.startswith(b"-") and not line.startswith(b"- ") for line in body):
        raise ManifestError("a line that is not dash-escaped")
    text = b"".join((line[2:] if line.startswith(b"- ") else line) + b"\n" for line in body)
    return text, b"\n".join(lines[marks[1][0] :]) + b"\n"


def parse_manifest(data: bytes) -> Manifest:
    """Parse a Manifest. Every record must have BLAKE2B and SHA512, as Portage requires. Raises ManifestError."""
    text, signature = split_signed(data)
    records: dict[str, Record] = {}
    try:
        decoded = text.decode("ascii")
    except UnicodeDecodeError:
        raise ManifestError("not ASCII") from None
    if not _TEXT.fullmatch(decoded):
        raise ManifestError("control characters")
    lines = decoded.split("\n")
    for line in lines:
        usual = _USUAL.fullmatch(line)
        if usual and usual[1] not in records:
            records[usual[1]] = Record(usual[1], int(usual[2]), usual[3], usual[4])
            continue
        words = line.split()
        if not words:
            continue
        if words[0] != "DATA" or len(words) < 3 or len(words) % 2 == 0:
            raise ManifestError(f"line {line[:80]!r} is no DATA record")
        name, size = words[1], words[2]
        if name in records:
            raise ManifestError(f"{name} is recorded twice")
        if not _NAME.fullmatch(name) or not (size.isascii() and size.isdigit()) or len(size) > 19:
            raise ManifestError(f"line {line[:80]!r} is no DATA record")
        values = dict(zip(words[3::2], words[4::2], strict=True))
        if len(values) != len(words[3::2]):
            raise ManifestError(f"{name} has one digest twice")
        for algorithm, pattern in _HEX.items():
            if not pattern.fullmatch(values.get(algorithm, "")):
                raise ManifestError(f"{name} has no {algorithm}")
        records[name] = Record(name, int(size), values["BLAKE2B"].lower(), values["SHA512"].lower())
    return Manifest(tuple(records.values()), text, signature)
