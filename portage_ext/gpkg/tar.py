"""tar headers are parsed from bounded bytes, and a member that is no plain file is never followed.

Reads what Portage writes and accepts (ustar, GNU long names, pax paths and sizes; POSIX.1-2017 pax, "ustar Interchange
Format"), one member after another, up to the end-of-archive block. Everything odd is an error and no guess.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
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
        if (stored - 256 + sum(header[148:156]) - (zlib.adler32(header) & 0xFFFF) + 1) % 65521:
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


_PLAIN: Final = struct.Struct("100s24x11sx12x8sc100x8s80xc166x")
"""Name, size, checksum, type, magic with version, and the first byte of the prefix of a header."""


@lru_cache(maxsize=8)
def _prefixed(prefix: str, keys: frozenset[str]) -> frozenset[bytes]:
    return frozenset(f"{prefix}{key}".encode() for key in keys)


def read_values(data: bytes, prefix: str, wanted: frozenset[str] | None) -> dict[str, bytes]:
    """``{name without prefix: content}`` of an archive in memory; names outside ``wanted`` are checked and skipped.

    A later member of the same name wins, as in Portage. Raises TarError.
    """
    lead = prefix.encode()
    length = len(lead)
    names = None if wanted is None else _prefixed(prefix, wanted)
    values: dict[str, bytes] = {}
    view = memoryview(data)
    end = len(data)
    offset = count = 0
    while offset < end - BLOCK:
        # The headers that Portage writes, almost always; members() takes over at the first that is anything else.
        name, digits, stored, kind, magic, more = _PLAIN.unpack_from(data, offset)
        if kind != b"0" or magic != b"ustar\x0000" or more != b"\0":
            break
        name = name.partition(b"\0")[0]
        # adler32 has the sum of the bytes in its low half, modulo 65521; the checksum field itself counts as eight blanks.
        total = (zlib.adler32(view[offset : offset + BLOCK]) & 0xFFFF) - 1 - sum(stored) + 256
        if not (digits.isdigit() and stored[:6].isdigit() and name.startswith(lead)):
            break
        if (total - int(stored[:6], 8)) % 65521:
            break
        size = int(digits, 8)
        start = offset + BLOCK
        offset = start + (size + BLOCK - 1) // BLOCK * BLOCK
        count += 1
        if offset > end or count > limits.METADATA_MEMBERS:
            raise TarTruncatedError("ends inside a member") if offset > end else TarError("too many members")
        if names is None or name in names:
            values[name[length:].decode("utf-8", "surrogateescape")] = data[start : start + size]
    rest = data[offset:]
    for member in members(lambda at, size: rest[at : at + size], len(rest), limits.METADATA_MEMBERS - count):
        if not member.name.startswith(prefix):
            raise TarError(f"member {member.name!r} is not below {prefix!r}")
        key = member.name[len(prefix) :]
        if wanted is None or key in wanted:
            values[key] = rest[member.offset : member.offset + member.size]
    return values
