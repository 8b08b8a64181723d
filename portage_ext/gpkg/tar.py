"""tar headers are parsed from bounded bytes, and a member that is no plain file is never followed.

Reads what Portage writes and accepts (ustar, GNU long names, pax paths and sizes; POSIX.1-2017 pax, "ustar Interchange
Format"), one member after another, up to the end-of-archive block. Everything odd is an error and no guess.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from portage_ext import limits

BLOCK: Final = 512
_ZERO: Final = bytes(BLOCK)
_REGULAR: Final = frozenset((b"0", b"\0", b"7"))


class TarError(Exception):
    """The bytes are no acceptable tar archive; the reader that knows the file turns this into a PackageError."""


class TarTruncatedError(TarError):
    """The archive ends inside a member."""


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file in an archive. ``start`` is where its first header is, ``offset`` where its data is, both in bytes."""

    name: str
    start: int
    offset: int
    size: int

    @property
    def end(self) -> int:
        """Where the next header is."""
        return self.offset + (self.size + BLOCK - 1) // BLOCK * BLOCK


def _number(field: bytes) -> int:
    if field[0] == 0x80:  # base-256, as GNU tar writes sizes from 8 GiB
        return int.from_bytes(field[1:], "big")
    text = field.rstrip(b"\0 ").lstrip(b" ")
    if not text:
        return 0
    if not text.isdigit():
        raise TarError(f"a number in a header is {field!r}")
    try:
        return int(text, 8)
    except ValueError:
        raise TarError(f"a number in a header is {field!r}") from None


def _string(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _pax(data: bytes) -> dict[str, str]:
    records: dict[str, str] = {}
    while data:
        length, space, _ = data.partition(b" ")
        if not space or not length.isdigit() or len(length) > 10 or not len(length) + 2 < int(length) <= len(data):
            raise TarError("a pax header is malformed")
        record = data[len(length) + 1 : int(length)]
        key, equals, value = record.partition(b"=")
        if not equals or not value.endswith(b"\n"):
            raise TarError("a pax header is malformed")
        records[key.decode("utf-8", "surrogateescape")] = value[:-1].decode("utf-8", "surrogateescape")
        data = data[int(length) :]
    return records


def members(read: Callable[[int, int], bytes], size: int, most: int) -> Iterator[Member]:
    """The members of the archive of ``size`` bytes that ``read(offset, size)`` gives; at most ``most`` of them.

    The last value of the iterator is followed by the end of the archive; what comes behind is the caller's to judge
    (:func:`end_of`). Raises TarError.
    """
    offset = 0
    count = 0
    start: int | None = None
    long_name: str | None = None
    pax: dict[str, str] = {}
    while offset + BLOCK <= size:
        header = read(offset, BLOCK)
        if header == _ZERO:
            break
        stored = _number(header[148:156])
        if stored != 256 + sum(header) - sum(header[148:156]):
            raise TarError(f"no header at byte {offset}")
        if header[257:262] != b"ustar":
            raise TarError(f"the header at byte {offset} has no ustar magic")
        kind = header[156:157]
        length = _number(header[124:136])
        start = offset if start is None else start
        data = offset + BLOCK
        if kind in (b"L", b"x"):
            bound = limits.CONTAINER_NAME if kind == b"L" else limits.PAX_HEADER
            if length > bound:
                raise TarError(f"a name or pax header of {length} bytes")
            if data + length > size:
                raise TarTruncatedError(f"ends inside the header at byte {offset}")
            body = read(data, length)
            if kind == b"L":
                long_name = _string(body)
            else:
                pax = _pax(body)
            offset = data + (length + BLOCK - 1) // BLOCK * BLOCK
            if offset - start > 4 * (limits.PAX_HEADER + BLOCK):
                raise TarError("headers without end")
            continue
        if kind not in _REGULAR:
            raise TarError(f"{_string(header[:100])!r} is no regular file (type {kind.decode('latin-1')!r})")
        name = _string(header[:100])
        prefix = _string(header[345:500]) if header[257:265] != b"ustar  \0" else ""
        if prefix:
            name = f"{prefix}/{name}"
        if long_name is not None:
            name = long_name
        if any(key.startswith("GNU.sparse") for key in pax):
            raise TarError("a sparse member")
        name = pax.get("path", name)
        if "size" in pax:
            if not pax["size"].isdigit() or len(pax["size"]) > 19:
                raise TarError("a pax size is malformed")
            length = int(pax["size"])
        if data + length > size:
            raise TarTruncatedError(f"member {name!r} announces {length} bytes and {max(size - data, 0)} are there")
        count += 1
        if count > most:
            raise TarError(f"more than {most} members")
        member = Member(name, start, data, length)
        yield member
        offset, start, long_name, pax = member.end, None, None, {}
    if start is not None:
        raise TarTruncatedError("ends behind a name header")
    if offset > size:
        raise TarTruncatedError("ends inside the padding of its last member")


def _plain_header(data: bytes, offset: int) -> tuple[bytes, int] | None:
    """Name and size in a header as Portage's metadata archives have them almost always; None for any other header."""
    header = data[offset : offset + BLOCK]
    if header[156] != 0x30 or header[345] or header[257:265] != b"ustar\x0000" or len(header) != BLOCK:
        return None
    try:
        size, stored = int(header[124:135], 8), int(header[148:154], 8)
    except ValueError:
        return None
    # The sum of the bytes, in C: adler32 has it in its low half, modulo 65521. The eight bytes of the field count as blanks.
    if (zlib.adler32(header[:148] + b"        " + header[156:]) & 0xFFFF) != (stored + 1) % 65521:
        return None
    return header[:100].rstrip(b"\0"), size


def read_values(data: bytes, prefix: str, wanted: frozenset[str] | None) -> dict[str, bytes]:
    """``{name without prefix: content}`` of an archive in memory; names outside ``wanted`` are checked and skipped.

    A later member of the same name wins, as in Portage. Raises TarError.
    """
    lead = prefix.encode()
    values: dict[str, bytes] = {}
    offset = count = 0
    end = len(data)
    while offset < end:
        plain = _plain_header(data, offset)
        if plain is None or not plain[0].startswith(lead) or b"\0" in plain[0]:
            break
        start = offset + BLOCK
        offset = start + (plain[1] + BLOCK - 1) // BLOCK * BLOCK
        count += 1
        if offset > end or count > limits.METADATA_MEMBERS:
            raise TarTruncatedError("ends inside a member") if offset > end else TarError("too many members")
        key = plain[0][len(lead) :].decode("utf-8", "surrogateescape")
        if wanted is None or key in wanted:
            values[key] = data[start : start + plain[1]]
    rest = data[offset:]
    for member in members(lambda at, size: rest[at : at + size], len(rest), limits.METADATA_MEMBERS - count):
        if not member.name.startswith(prefix):
            raise TarError(f"member {member.name!r} is not below {prefix!r}")
        key = member.name[len(prefix) :]
        if wanted is None or key in wanted:
            values[key] = rest[member.offset : member.offset + member.size]
    return values
