"""One file, two packages, both signed by the trusted key: what was checked, and another that only Portage's reader sees."""

from __future__ import annotations

import io
import tarfile
import zlib
from dataclasses import replace

import pytest

from tests.system.attacks.lab import Lab
from tests.system.attacks.test_index import FLAGS, reindexed
from tests.unit.gpkg.test_tarfile import Piece, record

HELLO = "app-misc/hello-1.1"
_LENGTH = slice(10, 12)
"""Where a gzip header has the length of its extra field (RFC 1952, 2.3)."""


def hidden(outer: bytes, inner: bytes) -> bytes:
    """``outer`` in another directory, which is the header of a gzip stream; all of it up to a pax comment is the extra field of
    that stream, and the comment is ``inner``, compressed. ``tarfile``, opened as Portage opens it, looks for gzip first."""
    with tarfile.open(fileobj=io.BytesIO(outer)) as archive:
        members = [(one.name.partition("/")[2].encode(), archive.extractfile(one).read()) for one in archive]  # type: ignore[union-attr]
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    # Zeros behind it, so that whoever reads up to the end of the archive does not come to the end of the stream.
    whole = inner + bytes(1 << 20)
    stream = (
        packed.compress(whole) + packed.flush() + zlib.crc32(whole).to_bytes(4, "little") + len(whole).to_bytes(4, "little")
    )
    for filler in range(1, 600):
        comment = b"x" * filler + stream
        front = b"".join(bytes(Piece(data=data)) for _, data in members[:-1])
        text = record(b"comment", comment)
        length = len(front) + 512 + text.index(comment) + filler - 12
        directory = b"\x1f\x8b\x08\x04ABCDEF" + length.to_bytes(2, "little") + b"p/"
        if not {0, ord("/")} & set(directory[_LENGTH]):
            break
    pieces = [Piece(name=directory + name, data=data) for name, data in members]
    pieces.insert(-1, Piece(name=b"x", kind=b"x", data=text))
    return b"".join(bytes(piece) for piece in pieces) + bytes(1024)


def test_a_signed_package_inside_another(lab: Lab) -> None:
    lab.settings("optional")
    lab.withdraw_release()
    (lab.directory / "Packages.zst").unlink()
    made = hidden(lab.package(FLAGS).read_bytes(), lab.package(HELLO).read_bytes())
    with tarfile.open(fileobj=io.BytesIO(made), mode="r:") as archive:
        assert len(archive.getmembers()) == 6
    with tarfile.open(fileobj=io.BytesIO(made), mode="r") as archive:
        assert {name.partition("/")[0] for name in archive.getnames()} == {"hello-1.1-1"}
    lab.package(FLAGS).write_bytes(made)
    reindexed(lab, FLAGS)
    lab.refused("UnusablePackageError", f"={FLAGS}")


@pytest.mark.parametrize("odd", ["long name", "pax", "padding", "mode"])
def test_a_container_that_portage_reads_otherwise(lab: Lab, odd: str) -> None:
    lab.settings("optional")
    lab.withdraw_release()
    (lab.directory / "Packages.zst").unlink()
    path = lab.package(FLAGS)
    data = path.read_bytes()
    name = Piece(name=b"././@LongLink", kind=b"L", data=b"flags-2.0-1/other\0")
    added = {
        "long name": bytes(name) + bytes(Piece(kind=b"x", data=record(b"path", b"flags-2.0-1/gpkg-1"))),
        "pax": bytes(Piece(kind=b"x", data=record(b"path", b"flags-2.0-1/gpkg-1"))) + bytes(name),
        "padding": bytes(replace(name, data=b"flags-2.0-1/gpkg-1", padding=b"x\0")),
        "mode": b"",
    }[odd]
    if odd == "mode":
        data = bytes(Piece(name=b"flags-2.0-1/gpkg-1", data=b"", numbers=(b"zzzzzzz\0", *Piece().numbers[1:]))) + data[512:]
    path.write_bytes(added + data)
    reindexed(lab, FLAGS)
    lab.refused("UnusablePackageError", f"={FLAGS}")
