"""What grows when it is read costs no more than the judge allows: the bytes that no change of a few places comes upon."""

from __future__ import annotations

import gzip
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.gpkg.describe import files
from tests.system.fuzz.everything import EVERY
from tests.system.fuzz.judging import judge
from tests.testkit import binpkgs
from tests.unit.gpkg.test_tarfile import Piece

BY_NAME = {target.name: target for target in EVERY}
MIB = 1 << 20
NOISE = random.Random(1).randbytes(300_000)
"""So that what expands does not expand too much for its size."""


def overlapping() -> bytes:
    """An xpak whose two hundred values are the same bytes."""
    data = b"x" * MIB
    index = b"".join(
        len(name).to_bytes(4, "big") + name + bytes(4) + len(data).to_bytes(4, "big")
        for name in (b"K%d" % number for number in range(200))
    )
    segment = b"XPAKPACK" + len(index).to_bytes(4, "big") + len(data).to_bytes(4, "big") + index + data + b"XPAKSTOP"
    return segment + len(segment).to_bytes(4, "big") + b"STOP"


def compressed(method: str) -> Callable[[], bytes]:
    return lambda: binpkgs.COMPRESS[method][1](NOISE + bytes(60 * MIB))


BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a contract of half a million words": ("contract", lambda: b"1 > x_y " + b"a " * 500_000),
    "a contract of one word": ("contract", lambda: b"1 > x_y a:" + b",".join(b"%d" % number for number in range(70_000))),
    "JSON of half a million tables": ("builder", lambda: b'{"format": "x", "use": [' + b'{"":0},' * 500_000 + b"0]}"),
    "an entry of a million keys": ("index", lambda: b"A: b\n\n" + b"".join(b"%x:\n" % number for number in range(1_000_000))),
    "a wide character in a long line": ("index", lambda: b"A: b\n\nCPV: a/b-1\nX: " + b"x" * 15 * MIB + "\U0001f600".encode()),
    "a long value": ("container", lambda: binpkgs.gpkg({**binpkgs.metadata(), "X": NOISE + bytes(60 * MIB)})),
    "values of the same bytes": ("xpak", overlapping),
    "a large object": ("image", lambda: binpkgs.tar_of({"image/x": b"\x7fELF\x02\x01\x01" + bytes(60 * MIB)})),
    "a gzip bomb": ("stream-gzip", compressed("gzip")),
    "a zstd bomb": ("stream-zstd", compressed("zstd")),
    "an index that expands": ("index-gz", lambda: gzip.compress(NOISE + bytes(60 * MIB), 1)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_no_more_than_its_bound(name: str) -> None:
    reader, make = BOMBS[name]
    judge(BY_NAME[reader], make(), exact=True)


def test_an_image_of_many_members_is_not_kept_in_memory(tmp_path: Path) -> None:
    image = bytes(Piece(name=b"image/a", data=b"")) * 20_000 + bytes(1024)
    path = binpkgs.put(tmp_path, "foo-1.gpkg.tar", binpkgs.gpkg(image_archive=image))
    tracemalloc.start()
    try:
        assert sum(1 for _ in files(path)) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 8 * limits.MIB
    finally:
        tracemalloc.stop()
