"""Decompressed bytes are counted as they are produced, so that a decompression bomb is stopped at the limit.

The seven methods are those of GLEP 78 and Portage. If Python has no module for a method, the program that Portage uses is run.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import zstandard

from portage_ext import limits

if TYPE_CHECKING:
    from bz2 import BZ2Decompressor
    from lzma import LZMADecompressor

SUFFIXES: Final = {
    ".tar": "none",
    ".tar.gz": "gzip",
    ".tar.bz2": "bzip2",
    ".tar.lz4": "lz4",
    ".tar.lz": "lzip",
    ".tar.lzo": "lzop",
    ".tar.xz": "xz",
    ".tar.zst": "zstd",
}
"""File name suffixes of inner archives, and the compression method of each (GLEP 78; gpkg.ext_list in Portage)."""
TOOLS: Final = {"lz4": ("lz4", "-d", "-c"), "lzip": ("lzip", "-d", "-c"), "lzop": ("lzop", "-d", "-c")}
"""Commands that decompress from stdin to stdout, as Portage runs them."""
_MAGIC: Final = (
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"LZIP", "lzip"),
    (b"\x89LZO\0\r\n\x1a\n", "lzop"),
)
_ZSTD_MAGIC: Final = 0xFD2FB528
_ZSTD_SKIPPABLE: Final = 0x184D2A50
_STEP: Final = 256 * limits.KIB


class BadStreamError(Exception):
    """The bytes cannot be decompressed within the limits."""


class BombError(BadStreamError):
    """The decompressed data exceeds the limits."""


@lru_cache(maxsize=64)
def method_of(name: str) -> tuple[str, str] | None:
    """Split ``image.tar.zst`` into ``("image", "zstd")``; None if the name is not that of an inner archive."""
    stem, dot, rest = name.partition(".tar")
    method = SUFFIXES.get(dot + rest)
    return None if method is None else (stem, method)


def method_of_content(head: bytes) -> str:
    """The compression method of an archive that begins with ``head``. The name of an xpak package does not tell it."""
    return next((method for magic, method in _MAGIC if head.startswith(magic)), "none")


def whole_frames(read: Callable[[int, int], bytes], size: int, most: int) -> None:
    """Raise BadStreamError if a zstd frame is cut off (RFC 8878, 3.1). The reader of ``zstandard`` would treat that as the end.

    ``read(offset, count)`` returns ``count`` bytes of a stream of ``size`` bytes, which may have at most ``most`` blocks.
    """
    at, blocks = 0, 0
    while at < size:
        head = read(at, min(8, size - at))
        magic = int.from_bytes(head[:4], "little")
        if magic & 0xFFFFFFF0 == _ZSTD_SKIPPABLE:
            at += 8 + int.from_bytes(head[4:], "little")
            continue
        descriptor = head[4] if len(head) > 4 else 0
        if magic != _ZSTD_MAGIC:
            raise BadStreamError("the data after the last zstd frame is not a zstd frame")
        single, checksum = descriptor & 0x20, descriptor & 4
        content = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
        at += 5 + (0 if single else 1) + (0, 1, 2, 4)[descriptor & 3] + content
        last = False
        while not last:
            if at + 3 > size:
                raise BadStreamError("the zstd stream is truncated")
            header = int.from_bytes(read(at, 3), "little")
            last = bool(header & 1)
            at += 3 + (1 if header >> 1 & 3 == 1 else header >> 3)
            blocks += 1
            if blocks > most:
                raise BadStreamError(f"the zstd stream has more than {most} blocks")
        at += 4 if checksum else 0
    if at > size:
        raise BadStreamError("the zstd stream is truncated")


def _zstd(data: bytes) -> Iterator[bytes]:
    whole_frames(lambda at, count: data[at : at + count], len(data), limits.ZSTD_BLOCKS)
    reader = zstandard.ZstdDecompressor(max_window_size=limits.ZSTD_WINDOW).stream_reader(data, read_across_frames=True)
    try:
        while block := reader.read(_STEP):
            yield block
    except zstandard.ZstdError as error:
        raise BadStreamError(str(error)) from error


def _behind(data: bytes) -> bytes:
    """The data after the end of a stream: another stream, or nothing if only padding follows.

    Data after the padding is refused, because the programs that Portage runs ignore it.
    """
    if data[:1] != b"\0":
        return data
    if data.strip(b"\0"):
        raise BadStreamError("data after the padding of the stream")
    return b""


def _gzip(data: bytes) -> Iterator[bytes]:
    try:
        while data:
            inflate = zlib.decompressobj(wbits=31)
            yield inflate.decompress(data, _STEP)
            while not inflate.eof:
                block = inflate.decompress(inflate.unconsumed_tail, _STEP)
                if not block and not inflate.eof:
                    raise BadStreamError("the gzip stream is truncated")
                yield block
            data = _behind(inflate.unused_data)
    except zlib.error as error:
        raise BadStreamError(str(error)) from error


def _step(data: bytes, new: Callable[[], BZ2Decompressor | LZMADecompressor]) -> Iterator[bytes]:
    try:
        while data:
            decompressor = new()
            yield decompressor.decompress(data, max_length=_STEP)
            while not decompressor.eof:
                block = decompressor.decompress(b"", max_length=_STEP)
                if not block and decompressor.needs_input:
                    raise BadStreamError("the stream is truncated")
                yield block
            data = _behind(decompressor.unused_data)
    except (OSError, EOFError) as error:
        raise BadStreamError(str(error)) from error


def _xz(data: bytes) -> Iterator[bytes]:
    import lzma

    try:
        yield from _step(data, lambda: lzma.LZMADecompressor(format=lzma.FORMAT_XZ))
    except lzma.LZMAError as error:
        raise BadStreamError(str(error)) from error
    except MemoryError:
        # The header can demand a dictionary of up to 4 GiB, and the decompressor allocates it at once.
        raise BadStreamError("its dictionary is larger than the memory of this host") from None


def _tool(command: tuple[str, ...], data: bytes) -> Iterator[bytes]:
    import shutil
    import signal
    import subprocess
    import threading

    if shutil.which(command[0]) is None:
        raise BadStreamError(f"{command[0]} is not installed, but is needed for this compression")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin = process.stdin

        def feed() -> None:
            # The program may stop reading early, because the data is damaged or the stream has ended. That must not end an
            # emerge, which SIGPIPE kills.
            signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGPIPE,))
            try:
                stdin.write(data)
                stdin.close()
            except OSError:
                return

        feeder = threading.Thread(target=feed, daemon=True)
        watchdog = threading.Timer(limits.DECOMPRESSOR_SECONDS, process.kill)
        feeder.start()
        watchdog.start()
        try:
            while block := process.stdout.read(_STEP):
                yield block
            status = process.wait()
        finally:
            process.kill()
            watchdog.cancel()
            feeder.join()
        if status != 0:
            raise BadStreamError(f"{command[0]} failed with status {status}")


def decompress(data: bytes, method: str, most: int = limits.METADATA_SIZE) -> bytes | bytearray:
    """Decompress ``data``. The result may have at most ``most`` bytes and, above a minimum size, a limited compression ratio.

    ``method`` is a value of :data:`SUFFIXES`. Raises BadStreamError.
    """
    if method == "none":
        if len(data) > most:
            raise BombError(f"{len(data)} bytes, more than {most}")
        return data
    source: Iterator[bytes]
    if method == "zstd":
        source = _zstd(data)
    elif method == "gzip":
        source = _gzip(data)
    elif method == "bzip2":
        # Rare methods are imported only when needed, because a new process fetches each package.
        import bz2

        source = _step(data, bz2.BZ2Decompressor)
    elif method == "xz":
        source = _xz(data)
    else:
        source = _tool(TOOLS[method], data)
    out: bytes | bytearray = b""
    total = 0
    for block in source:
        total += len(block)
        if total > most:
            raise BombError(f"decompresses to more than {most} bytes")
        if total > limits.METADATA_RATIO_FREE and total > limits.METADATA_RATIO * len(data):
            raise BombError(f"decompresses to more than {limits.METADATA_RATIO} times its size")
        if not out:
            out = block
            continue
        # A bytearray grows in place; joining the blocks at the end would need the memory twice.
        out = bytearray(out) if isinstance(out, bytes) else out
        out += block
    if total == 0:
        raise BadStreamError("the decompressed data is empty")
    return out
