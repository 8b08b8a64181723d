"""A stream that is cut off is damaged, in every compression, wherever it was cut."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
import zstandard

from portage_ext import limits
from portage_ext.gpkg.compression import BadStreamError, decompress

DATA = os.urandom(1000) + bytes(400_000) + os.urandom(1000)


def skippable(data: bytes) -> bytes:
    return b"\x50\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data


def streamed(data: bytes) -> bytes:
    """As from a pipe: the frame does not say how large it is inside."""
    made = zstandard.ZstdCompressor(level=3, write_checksum=True).compressobj()
    return made.compress(data) + made.flush()


FRAMES = {
    "one": zstandard.ZstdCompressor().compress(DATA),
    "streamed": streamed(DATA),
    "without checksum": zstandard.ZstdCompressor(write_checksum=False).compress(DATA),
    "two": zstandard.ZstdCompressor().compress(DATA[:5000]) + streamed(DATA[5000:]),
    "between": skippable(b"x") + streamed(DATA) + skippable(b"y" * 300),
    "small": zstandard.ZstdCompressor().compress(b"x"),
}


@pytest.mark.parametrize("data", FRAMES.values(), ids=FRAMES)
def test_a_zstd_stream_that_is_cut_off_is_refused(data: bytes) -> None:
    whole = decompress(data, "zstd")
    assert whole in (DATA, b"x")
    ends = {len(one) for one in (FRAMES["two"][: len(zstandard.ZstdCompressor().compress(DATA[:5000]))],)}
    for cut in [*range(1, min(len(data), 40)), *range(len(data) // 2, len(data), 97), *range(len(data) - 20, len(data))]:
        kept = data[:cut]
        if data == FRAMES["two"] and cut in ends:
            continue
        if data == FRAMES["between"] and kept in (skippable(b"x"), skippable(b"x") + streamed(DATA)):
            continue
        with pytest.raises(BadStreamError):
            decompress(kept, "zstd")


def test_what_the_tool_makes_is_whole() -> None:
    if shutil.which("zstd") is None:
        pytest.skip("there is no zstd here")
    for options in (["-T0"], ["--long=31", "--ultra", "-20"], ["--no-check"], ["--fast=5"]):
        made = subprocess.run(["zstd", "-c", "-q", *options], input=DATA, capture_output=True, check=True).stdout
        assert decompress(made, "zstd") == DATA


def test_blocks_without_an_end_are_bounded() -> None:
    empty = b"\x28\xb5\x2f\xfd\x00\x58" + b"\x00\x00\x00" * (limits.ZSTD_BLOCKS + 1) + b"\x01\x00\x00"
    with pytest.raises(BadStreamError, match="blocks"):
        decompress(empty, "zstd")


def test_a_tool_that_stops_reading_does_not_kill_emerge() -> None:
    # As bin/emerge sets it.
    emerge = """
import signal
from portage_ext.gpkg.compression import BadStreamError, _tool

signal.signal(signal.SIGPIPE, signal.SIG_DFL)
try:
    list(_tool(("sh", "-c", "exit 3"), bytes(10_000_000)))
except BadStreamError as error:
    print(error)
"""
    ended = subprocess.run((sys.executable, "-c", emerge), capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "sh failed with status 3\n", "")
