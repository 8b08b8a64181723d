"""tar headers are parsed from bounded bytes, and members that are not plain files are refused.

It reads what Portage writes and accepts (ustar, GNU long names, pax paths and sizes; POSIX.1-2017 pax, "ustar Interchange
Format"), one member after another, up to the end-of-archive block. Portage reads with Python's ``tarfile``, which guesses at
odd headers: it treats a broken header as the end of the archive, and padding as part of a name. Here every odd header is an
error before its member is returned. ``tarfile`` reads every accepted archive the same way (tests/unit/gpkg/test_tarfile.py).

``_usual``, a small C module, reads archives whose every header is usual. It is not needed: it leaves everything else to this
module, and this module reads everything if it was not built.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import ModuleType
from typing import Final

from portage_ext import limits
from portage_ext.records import record

BLOCK: Final = 512
_ZERO: Final = bytes(BLOCK)
_REGULAR: Final = frozenset((b"0", b"\0", b"7"))
_USTAR: Final = b"ustar\x0000"
_GNU: Final = b"ustar  \0"
_NUMBERS: Final = (slice(100, 108), slice(108, 116), slice(116, 124), slice(136, 148), slice(329, 337), slice(337, 345))
"""Mode, owner, group, time and device. They are not used, but must be valid: at a malformed one ``tarfile`` sees the end."""
_PAX: Final = frozenset(("atime", "ctime", "gid", "gname", "mtime", "path", "size", "uid", "uname"))
"""The accepted keywords of a pax header. Others change how it is read (``hdrcharset``), make a member sparse, or are not
needed."""


class TarError(Exception):
    """The bytes are not an acceptable tar archive. The caller, which knows the file name, converts this to a PackageError."""


class TarTruncatedError(TarError):
    """The archive ends inside a member."""


@record
class Member:
    """A regular file in an archive. ``start`` is the offset of its first header and ``offset`` that of its data, in bytes."""

    name: str
    start: int
    offset: int
    size: int

    @property
    def end(self) -> int:
        """The offset of the next header, in bytes."""
        return self.offset + _padded(self.size)


def _padded(size: int) -> int:
    return (size + BLOCK - 1) // BLOCK * BLOCK


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


def _long_name(body: bytes, length: int) -> str:
    """The name in the first ``length`` bytes of ``body``. The rest of its last block must be zeros: ``tarfile`` reads that
    too."""
    if body.find(b"\0") != length - 1 or body[length:].strip(b"\0"):
        raise TarError("a long name that does not end where it says")
    return _string(body)


def _pax(body: bytes, length: int) -> dict[str, str]:
    records: dict[str, str] = {}
    data = body[:length]
    if body[length:].strip(b"\0"):
        raise TarError("a pax header extends beyond its end")
    while data:
        digits, space, _ = data.partition(b" ")
        if not space or not digits.isdigit() or len(digits) > 10 or not len(digits) + 2 < int(digits) <= len(data):
            raise TarError("a pax header is malformed")
        record = data[len(digits) + 1 : int(digits)]
        name, equals, value = record.partition(b"=")
        if not equals or not value.endswith(b"\n"):
            raise TarError("a pax header is malformed")
        key = name.decode("utf-8", "surrogateescape")
        if key not in _PAX or key in records:
            raise TarError(f"a pax header has {key!r}{' twice' if key in records else ''}")
        records[key] = value[:-1].decode("utf-8", "surrogateescape")
        data = data[int(digits) :]
    return records


_FIELDS: Final = struct.Struct("100s24s12s12s8s356s")
"""The parts of a header: name; mode, owner and group; size; time; checksum; the rest."""
_OWNER: Final = re.compile(rb"(?:[0-7]{7}\0){3}")
_OCTAL: Final = re.compile(rb"[0-7]{11}\0")
_SUM: Final = re.compile(rb"[0-7]{6}\0 ")
_REST: Final = re.compile(rb"(?s)0\0{100}ustar\x0000.{64}(?:[0-7]{7}\0|\0{8}){2}\0{167}")
_USUAL: Final = re.compile(
    rb"(?s).{100}%s([0-7]{11})\0[0-7]{11}\0(.{8})%s" % (_OWNER.pattern, _REST.pattern.removeprefix(b"(?s)"))
)
"""The usual header of a plain file, with the groups (size, checksum)."""


@lru_cache(maxsize=1 << 12)
def _checksum(stored: bytes) -> int:
    """The sum of the other bytes of a header according to its checksum field, in which the field itself counts as eight blanks.

    -1 if the field does not have the usual form.
    """
    return int(stored[:6], 8) - 8 * 32 + sum(stored) if _SUM.fullmatch(stored) else -1


def _sums_up(header: bytes | memoryview, stored: bytes) -> bool:
    """Whether a header whose last part is ``_REST`` has the checksum ``stored``. This is faster than adding each byte in
    Python.

    The low half of adler32 is 1 plus the sum of all bytes, modulo 65521. ``_REST`` has 267 zeros, so the sum of the other
    245 bytes is at most 62475. It is therefore never reduced by the modulus, and the result is exact.
    """
    return (zlib.adler32(header) & 0xFFFF) - 1 == _checksum(stored)


def _header(header: bytes, offset: int) -> tuple[bytes, int]:
    """The type and size in a header. Raises TarError if ``tarfile`` would refuse the header or read it differently."""
    usual = _USUAL.fullmatch(header)
    if usual and _sums_up(header, usual[2]):
        return b"0", int(usual[1], 8)
    blanked = header[:148] + b"        " + header[156:]
    if _number(header[148:156]) != sum(blanked):
        raise TarError(f"no header at byte {offset}")
    magic = header[257:265]
    if magic not in (_USTAR, _GNU):
        raise TarError(f"the header at byte {offset} has no ustar magic")
    if magic == _GNU and header[345]:
        raise TarError(f"the header at byte {offset} has a prefix, which GNU tar does not write")
    for field in _NUMBERS:
        _number(header[field])
    return header[156:157], _number(header[124:136])


@lru_cache(maxsize=1)
def _compiled() -> ModuleType | None:
    try:
        from portage_ext.gpkg import _usual
    except ImportError:
        return None
    return _usual


def whole_members(data: memoryview, most: int) -> list[Member] | None:
    """What :func:`members` yields for an archive in memory, if its every header is usual; else None, then ask that function."""
    compiled = _compiled()
    found = None if compiled is None else compiled.members(data, most)
    return None if found is None else [Member(*one) for one in found]


def members(read: Callable[[int, int], bytes], size: int, most: int, offset: int = 0) -> Iterator[Member]:
    """Yield the members of the archive of ``size`` bytes that ``read(offset, size)`` reads. More than ``most`` are an error.

    Reading begins at ``offset``, where a header must be. After the last member comes the end of the archive. The caller decides
    what may follow it. Raises TarError.
    """
    if size < BLOCK:
        raise TarTruncatedError("too short for a tar archive")
    count = 0
    while offset + BLOCK <= size:
        start = offset
        header = read(offset, BLOCK)
        if header == _ZERO:
            return
        kind, length = _header(header, offset)
        long_name: str | None = None
        pax: dict[str, str] = {}
        if kind in (b"L", b"x"):
            # Only one such header may precede a member. If there were two, readers differ in which one they use.
            if length > (limits.CONTAINER_NAME if kind == b"L" else limits.PAX_HEADER):
                raise TarError(f"a name or pax header of {length} bytes")
            offset += BLOCK + _padded(length)
            if offset + BLOCK > size:
                raise TarTruncatedError(f"ends behind the name header at byte {start}")
            body = read(start + BLOCK, _padded(length))
            if kind == b"L":
                long_name = _long_name(body, length)
            else:
                pax = _pax(body, length)
            header = read(offset, BLOCK)
            kind, length = _header(header, offset)
        name = _string(header[:100])
        if kind not in _REGULAR:
            raise TarError(f"{name!r} is no regular file (type {kind.decode('latin-1')!r})")
        if kind == b"\0" and name.endswith("/"):
            raise TarError(f"{name!r} is a directory, as tar wrote them once")
        prefix = _string(header[345:500])
        if prefix:
            name = f"{prefix}/{name}"
        name = pax.get("path", name) if long_name is None else long_name
        if not name or name.endswith("/") or "\0" in name:
            raise TarError(f"{name!r} is no name of a file")
        length = _pax_size(pax, length)
        data = offset + BLOCK
        if data + length > size:
            raise TarTruncatedError(f"member {name!r} announces {length} bytes and {max(size - data, 0)} are there")
        count += 1
        if count > most:
            raise TarError(f"more than {most} members")
        member = Member(name, start, data, length)
        yield member
        offset = member.end
    if offset > size:
        raise TarTruncatedError("ends inside the padding of its last member")


def _pax_size(pax: dict[str, str], length: int) -> int:
    """The size of a member from its pax header, or ``length`` if it has none there.

    ``length`` is the size in the plain header. It must be 0 or the same size, because a reader without pax support uses it.
    """
    text = pax.get("size")
    if text is None:
        return length
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or length not in (0, int(text)):
        raise TarError("a pax size is malformed, or not that of its header")
    return int(text)


@lru_cache(maxsize=8)
def _file_name(prefix: str) -> re.Pattern[bytes]:
    """A pattern for the name field of a file directly below ``prefix``, as Portage writes it."""
    return re.compile(rb"%s[A-Za-z0-9_][^/\0]*\0+" % re.escape(prefix.encode()))


@lru_cache(maxsize=8)
def _known_names(prefix: str, keys: frozenset[str]) -> dict[bytes, str]:
    """The name fields of ``keys`` below ``prefix``, for those keys that fit into the field and have a usual form."""
    fields = {f"{prefix}{key}".encode("utf-8", "surrogateescape").ljust(100, b"\0"): key for key in keys}
    return {field: key for field, key in fields.items() if len(field) == 100 and _file_name(prefix).fullmatch(field)}


def read_values(data: bytes | bytearray, prefix: str, wanted: frozenset[str] | None) -> dict[str, bytes]:
    """Return ``{name without prefix: content}`` of an archive in memory. Members not in ``wanted`` are checked, but not
    returned.

    All files must be directly below ``prefix``, and none may occur twice: Portage uses the last one when it indexes, and
    refuses the package when it merges. A wanted value longer than METADATA_VALUE bytes is cut one byte after that limit, so
    that the caller can see that it is too long. Raises TarError.
    """
    length = len(prefix.encode())
    file_name = _file_name(prefix).fullmatch
    known = _known_names(prefix, wanted) if wanted is not None else {}
    if wanted is not None and (compiled := _compiled()) is not None:
        usual: dict[str, bytes] | None = compiled.values(
            data, prefix.encode(), known, limits.METADATA_VALUE + 1, limits.METADATA_MEMBERS
        )
        if usual is not None:
            return usual
    values: dict[str, bytes] = {}
    view = memoryview(data)
    most = len(data) if wanted is None else limits.METADATA_VALUE + 1
    end = len(data)
    offset = count = 0
    usual_owner = usual_time = usual_rest = b""
    # Portage writes almost every header in the same way, and most fields equal those of the header before. This loop compares
    # only these. At the first header that is different, members() reads the rest.
    while offset + BLOCK <= end:
        name, owner, digits, time, stored, rest = _FIELDS.unpack_from(data, offset)
        if rest != usual_rest:
            if not _REST.fullmatch(rest):
                break
            usual_rest = rest
        if owner != usual_owner or time != usual_time:
            if not _OWNER.fullmatch(owner) or not _OCTAL.fullmatch(time):
                break
            usual_owner, usual_time = owner, time
        if not _OCTAL.fullmatch(digits) or not _sums_up(view[offset : offset + BLOCK], stored):
            break
        key = known.get(name)
        if key is None and not file_name(name):
            break
        size = int(digits[:11], 8)
        start = offset + BLOCK
        offset = start + (size + BLOCK - 1) // BLOCK * BLOCK
        count += 1
        if offset > end or count > limits.METADATA_MEMBERS:
            raise TarTruncatedError("ends inside a member") if offset > end else TarError("too many members")
        if key is None:
            if wanted is not None:
                continue
            key = name.rstrip(b"\0")[length:].decode("utf-8", "surrogateescape")
        if key in values:
            raise TarError(f"{key!r} occurs twice")
        values[key] = bytes(view[start : start + min(size, most)])
    for member in members(lambda at, size: bytes(view[at : at + size]), end, limits.METADATA_MEMBERS - count, offset):
        key = member.name[len(prefix) :]
        if not member.name.startswith(prefix) or "/" in key or key in ("", ".", ".."):
            raise TarError(f"member {member.name!r} is no file directly below {prefix!r}")
        if key in values:
            raise TarError(f"{key!r} occurs twice")
        if wanted is None or key in wanted:
            values[key] = bytes(view[member.offset : member.offset + min(member.size, most)])
        offset = member.end
    if any(bytes(view[at : at + limits.READ_BLOCK]).strip(b"\0") for at in range(offset, end, limits.READ_BLOCK)):
        raise TarError("data after the end of the archive")
    return values
