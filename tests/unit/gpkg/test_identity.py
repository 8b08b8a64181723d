from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.errors import (
    DecompressionError,
    DigestMismatchError,
    EmptyPackageError,
    MalformedPackageError,
    PackageError,
    UnreadablePackageError,
)
from portage_ext.gpkg.identity import read_identity, read_texts
from portage_ext.model import Cpv
from tests.testkit import binpkgs
from tests.unit.gpkg.test_tarfile import Piece, record


@pytest.mark.parametrize("compression", sorted(binpkgs.COMPRESS))
def test_a_gpkg_of_every_compression_says_who_it_is(tmp_path: Path, compression: str) -> None:
    values = binpkgs.metadata("dev-libs/libtiny-2.0_p1-r3", SLOT="0/2", BUILD_ID="7")
    path = binpkgs.put(tmp_path, "x.gpkg.tar", binpkgs.gpkg(values, compression=compression))
    identity = read_identity(path)
    assert identity.cpv == Cpv("dev-libs", "libtiny", "2.0_p1-r3")
    assert (identity.slot, identity.build_id, identity.repository) == ("0/2", 7, "tiny")


def test_an_xpak_says_who_it_is(tmp_path: Path) -> None:
    path = binpkgs.put(tmp_path, "foo-1.tbz2", binpkgs.xpak())
    assert str(read_identity(path).cpv) == "app-misc/foo-1"


def test_a_flipped_byte_anywhere_in_a_checked_member_is_refused(tmp_path: Path) -> None:
    data = bytearray(binpkgs.gpkg(image=b"payload" * 1000, compression="none"))
    at = data.index(b"payload") + 3000
    data[at] ^= 1
    path = binpkgs.put(tmp_path, "x.gpkg.tar", bytes(data))
    assert str(read_identity(path).cpv) == "app-misc/foo-1"  # the image is checked only when asked
    with pytest.raises(DigestMismatchError):
        read_identity(path, image=True)


def test_a_link_is_not_followed_and_an_empty_file_is_named(tmp_path: Path) -> None:
    target = binpkgs.put(tmp_path, "real.gpkg.tar", binpkgs.gpkg())
    (tmp_path / "link.gpkg.tar").symlink_to(target)
    with pytest.raises(UnreadablePackageError):
        read_identity(tmp_path / "link.gpkg.tar")
    with pytest.raises(EmptyPackageError):
        read_identity(binpkgs.put(tmp_path, "empty.gpkg.tar", b""))


@pytest.mark.parametrize("cut", [1, 511, 512, 600, 3000])
def test_a_truncated_package_is_refused_wherever_it_ends(tmp_path: Path, cut: int) -> None:
    data = binpkgs.gpkg(image=bytes(5000), compression="none")
    with pytest.raises(PackageError):
        read_identity(binpkgs.put(tmp_path, "x.gpkg.tar", data[:cut]))


def xpak_of(*records: tuple[bytes, int, int], data: bytes = b"one two", more: bytes = b"") -> bytes:
    index = b"".join(
        b"".join((len(n).to_bytes(4, "big"), n, a.to_bytes(4, "big"), z.to_bytes(4, "big"))) for n, a, z in records
    )
    index += more
    segment = b"XPAKPACK" + len(index).to_bytes(4, "big") + len(data).to_bytes(4, "big") + index + data + b"XPAKSTOP"
    return b"image" * 9 + segment + len(segment).to_bytes(4, "big") + b"STOP"


@pytest.mark.parametrize(
    "data",
    [
        xpak_of((b"SLOT", 0, 3), (b"SLOT", 4, 3)),
        xpak_of((b"SLOT", 0, 3), (b"./SLOT", 4, 3)),
        xpak_of((b"SLOT", 0, 3), (b"/SLOT", 4, 3)),
        xpak_of((b"SLOT", 0, 3), (b"../SLOT", 4, 3)),
        xpak_of((b"SLOT", 0, 3), (b"", 4, 3)),
        xpak_of((b"SLOT", 0, 3), more=b"12345678"),
        xpak_of((b"SLOT", 0, 3), (b"PF", 0, 7)),
    ],
    ids=["twice", "as a path", "absolute", "climbing", "empty", "an index that goes on", "the same bytes twice"],
)
def test_an_xpak_in_which_portage_finds_two_things_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(MalformedPackageError):
        read_texts(binpkgs.put(tmp_path, "foo-1.tbz2", data), frozenset({"SLOT"}))
    plain = binpkgs.put(tmp_path, "bar-1.tbz2", xpak_of((b"SLOT", 0, 3)))
    assert read_texts(plain, frozenset({"SLOT"})) == {"SLOT": "one"}


@pytest.mark.parametrize("between", [b"\r\n", b"\x0b", b"\x0c", b"\x1c", b"\x1e", b"\t", b"\0"])
def test_a_manifest_whose_lines_end_otherwise_for_portage_is_refused(tmp_path: Path, between: bytes) -> None:
    data = binpkgs.gpkg(manifest=lambda text: text.replace(b"\n", between, 1))
    with pytest.raises(MalformedPackageError):
        read_identity(binpkgs.put(tmp_path, "x.gpkg.tar", data))


@pytest.mark.parametrize("method", ["gzip", "bzip2"])
def test_a_stream_behind_padding_is_not_read_since_no_tool_reads_it(tmp_path: Path, method: str) -> None:
    suffix, compress = binpkgs.COMPRESS[method]
    inner = binpkgs.tar_of({f"metadata/{key}": value for key, value in binpkgs.metadata().items()})
    values = {
        "gpkg-1": b"",
        f"metadata{suffix}": compress(inner[:700]) + b"\0" + compress(inner[700:]),
        f"image{suffix}": compress(b"x"),
    }
    values["Manifest"] = "".join(binpkgs.record(name, content) for name, content in values.items()).encode()
    path = binpkgs.put(tmp_path, "x.gpkg.tar", binpkgs.tar_of({f"foo-1/{name}": content for name, content in values.items()}))
    with pytest.raises(DecompressionError):
        read_identity(path)


@pytest.mark.parametrize("prefix", ["foo 1", "foo\x1b[0m", "\x1f\udc8b\x08foo", "fö", ".foo", "BZh91AY&SY"])
def test_a_directory_that_no_package_has_is_refused(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(MalformedPackageError):
        read_identity(binpkgs.put(tmp_path, "x.gpkg.tar", binpkgs.gpkg(prefix=prefix)))


def test_a_package_that_begins_with_a_header_of_another_archive_is_refused(tmp_path: Path) -> None:
    name = Piece(name=b"\x1f\x8b\x08", kind=b"x", data=record(b"path", b"foo-1/gpkg-1"))
    with pytest.raises(MalformedPackageError, match="begins with"):
        read_identity(binpkgs.put(tmp_path, "x.gpkg.tar", bytes(name) + binpkgs.gpkg()))
