"""An xpak segment is accepted only if its lengths agree with each other and with the file.

Layout (Portage's xpak.py, xpak(5)): ``XPAKPACK`` index-length data-length index data ``XPAKSTOP`` segment-length ``STOP``
at the very end of the file; each index record is name-length name data-offset data-length, all lengths 32-bit big-endian.
"""

from __future__ import annotations

from typing import Final

from portage_ext import limits
from portage_ext.errors import MalformedPackageError, OversizedPackageError
from portage_ext.gpkg.source import Source

NO_PACKAGE: Final = "it is neither a gpkg nor an xpak package, or its end is missing"
_TRAILER: Final = 16
_HEADER: Final = 16


def _number(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "big")


def segment_start(source: Source) -> int:
    """The offset at which the archive ends and the xpak segment begins. Raises PackageError."""
    if source.size < _TRAILER + _HEADER:
        raise MalformedPackageError(source.name, NO_PACKAGE)
    trailer = source.read(source.size - _TRAILER, _TRAILER)
    if trailer[:8] != b"XPAKSTOP" or trailer[12:] != b"STOP":
        raise MalformedPackageError(source.name, NO_PACKAGE)
    length = _number(trailer, 8)
    if length > limits.XPAK_SIZE:
        raise OversizedPackageError(source.name, f"an xpak segment of {length} bytes")
    start = source.size - 8 - length
    if start < 0 or length < _HEADER + 8:
        raise MalformedPackageError(source.name, f"an xpak segment of {length} bytes")
    return start


def read_xpak(source: Source, wanted: frozenset[str] | None = None) -> dict[str, bytes]:
    """Read the metadata values of an xpak package whose names are in ``wanted`` (None: all). Raises PackageError."""
    start = segment_start(source)
    length = source.size - 8 - start
    segment = source.read(start, length)
    index_size, data_size = _number(segment, 8), _number(segment, 12)
    if segment[:8] != b"XPAKPACK" or _HEADER + index_size + data_size + 8 != length:
        raise MalformedPackageError(source.name, "the lengths in the xpak segment do not agree")
    return _records(source, segment, index_size, data_size, wanted)


def _records(
    source: Source, segment: bytes, index_size: int, data_size: int, wanted: frozenset[str] | None
) -> dict[str, bytes]:
    index = segment[_HEADER : _HEADER + index_size]
    data = memoryview(segment)[_HEADER + index_size : _HEADER + index_size + data_size]
    most = data_size if wanted is None else limits.METADATA_VALUE + 1  # one byte too many, so that the caller refuses it
    values: dict[str, bytes] = {}
    seen: set[str] = set()
    offset = total = 0
    while offset < len(index):
        if offset + 12 > len(index):
            raise MalformedPackageError(source.name, "an xpak index that ends inside a record")
        name_size = _number(index, offset)
        after = offset + 4 + name_size
        if after + 8 > len(index):
            raise MalformedPackageError(source.name, "an xpak record reaches beyond its index")
        value_offset, value_size = _number(index, after), _number(index, after + 4)
        total += value_size
        # Values must not share bytes: thousands of values at the same place would be far larger than the file.
        if value_offset + value_size > data_size or total > data_size:
            raise MalformedPackageError(source.name, "an xpak record reaches beyond its data")
        name = index[offset + 4 : after].decode("utf-8", "surrogateescape")
        # A name must not occur twice: Portage uses the first record in some places and the last in others. It also unpacks the
        # values as files, so a name must be a plain file name.
        if name in seen or "/" in name or "\0" in name or name in ("", ".", ".."):
            raise MalformedPackageError(source.name, f"an xpak record named {name!r}{', again' if name in seen else ''}")
        seen.add(name)
        if len(seen) > limits.METADATA_MEMBERS:
            raise OversizedPackageError(source.name, f"more than {limits.METADATA_MEMBERS} xpak records")
        if wanted is None or name in wanted:
            values[name] = bytes(data[value_offset : value_offset + min(value_size, most)])
        offset = after + 8
    return values
