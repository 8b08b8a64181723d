"""A compressed index is decompressed only up to its known or a plausible size, so that a decompression bomb is stopped
there."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Final, Protocol

from portage_ext import limits
from portage_ext.errors.trust import DamagedIndexError

_ZSTD_WINDOW: Final = 128 * limits.MIB


class Readable(Protocol):
    """A stream that can be read in blocks."""

    def read(self, size: int, /) -> bytes: ...


def expand(form: str, data: bytes, limit: int, where: str) -> bytes:
    """Decompress ``data``, the content of the file ``form`` (Packages, Packages.gz or Packages.zst), to at most ``limit``
    bytes.

    Raises DamagedIndexError.
    """
    if form.endswith(".gz"):
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            return _bounded(file, len(data), limit, where)
    if form.endswith(".zst"):
        import zstandard

        decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        try:
            with decompressor.stream_reader(io.BytesIO(data), read_across_frames=True) as stream:
                return _bounded(stream, len(data), limit, where)
        except zstandard.ZstdError as error:
            raise DamagedIndexError(where, f"its {form} is damaged ({error})") from error
    if len(data) > limit:
        raise DamagedIndexError(where, f"its index is larger than {limit} bytes")
    return data


def _bounded(stream: Readable, size: int, limit: int, where: str) -> bytes:
    blocks: list[bytes] = []
    total = 0
    try:
        while block := stream.read(limits.TRANSFER_BLOCK):
            total += len(block)
            if total > limit:
                raise DamagedIndexError(where, f"its index is larger than {limit} bytes")
            if total > limits.EXPANSION_FREE and total > limits.EXPANSION_RATIO * size:
                raise DamagedIndexError(where, f"its index expands more than {limits.EXPANSION_RATIO}-fold")
            blocks.append(block)
    except (OSError, EOFError, zlib.error) as error:
        raise DamagedIndexError(where, f"its index is damaged ({error})") from error
    return b"".join(blocks)
