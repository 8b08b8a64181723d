"""All forms of an index with another TIMESTAMP: clients ignore an index that does not look newer, whatever its content.

A form is a sequence of members or frames, and the first has the header (index/blocks.py). So only the first is made again,
and the rest is copied.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import zstandard

from portage_ext.index.blocks import gzip_member, zstd_frame
from portage_ext.index.forms import GZIP, ZSTD
from portage_ext.index.text import emit_header
from portage_ext.model.release import PLAIN_FORM
from portage_ext.releases.contents import Contents


def restamp(contents: Contents, forms: Mapping[str, bytes], timestamp: int) -> dict[str, bytes]:
    """All forms of the index ``contents`` with ``timestamp`` (seconds since 1970); it was read from ``forms``."""
    head = emit_header({**contents.header, "TIMESTAMP": str(timestamp)})
    plain = forms[PLAIN_FORM]
    old = plain[: len(plain) - len(contents.body)]
    gz = _behind_gzip(forms.get(GZIP, b""), old)
    zst = _behind_zstd(forms.get(ZSTD, b""), old)
    return {
        PLAIN_FORM: head + contents.body,
        GZIP: gzip_member(head, timestamp) + (gz if gz is not None else gzip_member(contents.body)),
        ZSTD: zstd_frame(head) + (zst if zst is not None else zstd_frame(contents.body)),
    }


def _behind_gzip(data: bytes, head: bytes) -> bytes | None:
    """What follows the first member, if that member has only ``head``."""
    decompressor = zlib.decompressobj(31)
    try:
        first = decompressor.decompress(data, len(head) + 1)
    except zlib.error:
        return None
    return decompressor.unused_data if decompressor.eof and first == head else None


def _behind_zstd(data: bytes, head: bytes) -> bytes | None:
    """What follows the first frame, if that frame has only ``head``."""
    try:
        parameters = zstandard.get_frame_parameters(data)
        if parameters.content_size != len(head):
            return None
        decompressor = zstandard.ZstdDecompressor().decompressobj()
        first = decompressor.decompress(data)
    except zstandard.ZstdError:
        return None
    return decompressor.unused_data if decompressor.eof and first == head else None
