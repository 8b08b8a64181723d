"""METADATA is read from a wheel if the index does not serve it separately: one member of the zip file, checked against the
central directory.

zipfile would make an object for every name in a directory of any length. This reader checks the sizes first (APPNOTE.TXT 4.3).
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import Final

from portage_ext.errors.pypi import InvalidArchiveError
from portage_ext.limits import repositories as limits

_END: Final = struct.Struct("<4s4H2LH")
_ENTRY: Final = struct.Struct("<4s6H3L5H2L")
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_METADATA: Final = re.compile(rb"[A-Za-z0-9._+!-]{1,200}\.dist-info/METADATA")


def metadata(data: bytes, project: str) -> bytes:
    """Read METADATA of the wheel ``data``. Raises InvalidArchiveError."""
    try:
        return _metadata(data, project)
    except (struct.error, zlib.error, IndexError) as error:
        raise InvalidArchiveError(project, f"the wheel is no zip that can be read ({error})") from error


def _metadata(data: bytes, project: str) -> bytes:
    def damaged(what: str) -> InvalidArchiveError:
        return InvalidArchiveError(project, f"the wheel is no zip that can be read ({what})")

    end = data.rfind(b"PK\5\6", max(0, len(data) - _END.size - 0xFFFF))
    if end < 0:
        raise damaged("no end")
    _, disk, first, here, count, size, start, comment = _END.unpack_from(data, end)
    if end + _END.size + comment != len(data) or disk or first or here != count:
        raise damaged("its end says something else")
    if size > limits.PYPI_DIRECTORY or start + size > end or count == 0xFFFF:
        raise damaged(f"its directory has {size} bytes")
    found: list[tuple[int, ...]] = []
    position = start
    for _ in range(count):
        entry = _ENTRY.unpack_from(data, position)
        name = data[position + _ENTRY.size : position + _ENTRY.size + entry[10]]
        if entry[0] != b"PK\1\2":
            raise damaged("its directory is broken")
        if _METADATA.fullmatch(name):
            found.append((entry[4], entry[7], entry[8], entry[9], entry[16]))
        position += _ENTRY.size + entry[10] + entry[11] + entry[12]
        if position > start + size:
            raise damaged("its directory is longer than it says")
    if len(found) != 1:
        raise damaged(f"METADATA is in it {len(found)} times")
    method, crc, packed, length, offset = found[0]
    if length > limits.PYPI_METADATA or packed > limits.PYPI_METADATA:
        raise InvalidArchiveError(project, f"METADATA in the wheel has {length} bytes")
    local = _LOCAL.unpack_from(data, offset)
    if local[0] != b"PK\3\4":
        raise damaged("its directory points nowhere")
    begin = offset + _LOCAL.size + local[9] + local[10]
    body = data[begin : begin + packed]
    if method == 8:
        inflate = zlib.decompressobj(-15)
        body = inflate.decompress(body, length + 1)
    elif method:
        raise damaged("METADATA is compressed in another way than wheels are")
    if len(body) != length or zlib.crc32(body) != crc:
        raise damaged("METADATA is not what the directory says")
    return body
