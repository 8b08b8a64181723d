"""The contract of a package is the same whatever its image is compressed by, and damage to it is named."""

from __future__ import annotations

import io
import tarfile
import tracemalloc
from pathlib import Path

import pytest
import zstandard

from portage_ext import limits
from portage_ext.errors import DecompressionError, MalformedPackageError, OversizedPackageError
from portage_ext.gpkg.contract import computed_contract
from portage_ext.gpkg.describe import files
from tests.testkit import binpkgs
from tests.testkit.binpkgs import COMPRESS, tar_of
from tests.unit.elf.objects import library
from tests.unit.gpkg.test_tarfile import Piece, record

FOO = "2 > x86_64 libc.so.6:GLIBC_2.2.5 < x86_64 libfoo.so.1:FOO_1"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A library, and something that does not compress, so that the object does not come with the first block."""
    path = library(
        tmp_path_factory.mktemp("image") / "libfoo.so.1", ["FOO_1"], source='#include <stdio.h>\nvoid g(void) { puts(""); }\n'
    )
    noise = b"".join(bytes(((n * 2654435761) >> shift) & 255 for shift in (0, 8, 16)) for n in range(60_000))
    return {"usr/share/noise": noise, "usr/lib64/libfoo.so.1": path.read_bytes()}


def tarball(image: dict[str, bytes], top: str) -> bytes:
    return binpkgs.tar_of({f"{top}/{name}": data for name, data in image.items()})


@pytest.mark.parametrize("method", sorted(COMPRESS))
def test_gpkg_by_every_method(tmp_path: Path, image: dict[str, bytes], method: str) -> None:
    path = binpkgs.put(tmp_path, "foo-1.gpkg.tar", binpkgs.gpkg(compression=method, image_archive=tarball(image, "image")))
    assert str(computed_contract(path)) == FOO


@pytest.mark.parametrize("method", sorted(COMPRESS))
@pytest.mark.parametrize("name", ["foo-1.tbz2", "foo-1-1.xpak"])
def test_xpak_by_every_method(tmp_path: Path, image: dict[str, bytes], method: str, name: str) -> None:
    packed = COMPRESS[method][1](tarball(image, "."))
    assert str(computed_contract(binpkgs.put(tmp_path, name, binpkgs.xpak(image=packed)))) == FOO


def linked(image: dict[str, bytes], top: str, last: tarfile.TarInfo | None = None) -> bytes:
    """The library in a private directory, and by a hard link in everybody's; ``last`` takes the place of the link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo(f"{top}/usr/lib64/foo/libfoo.so.1")
        info.size = len(image["usr/lib64/libfoo.so.1"])
        archive.addfile(info, io.BytesIO(image["usr/lib64/libfoo.so.1"]))
        link = tarfile.TarInfo(f"{top}/usr/lib64/libfoo.so.1")
        link.type, link.linkname = tarfile.LNKTYPE, info.name
        archive.addfile(link)
        if last is not None:
            last.name = link.name
            archive.addfile(last)
    return out.getvalue()


def test_a_hard_link_to_a_library_is_that_library(tmp_path: Path, image: dict[str, bytes]) -> None:
    gpkg = binpkgs.put(tmp_path, "foo-1.gpkg.tar", binpkgs.gpkg(image_archive=linked(image, "image")))
    xpak = binpkgs.put(tmp_path, "foo-1.xpak", binpkgs.xpak(image=linked(image, ".")))
    for path in (gpkg, xpak):
        assert computed_contract(path).defines == {("x86_64", "libfoo.so.1"): frozenset({"FOO_1"})}


def test_what_an_image_replaces_itself_is_not_in_its_contract(tmp_path: Path, image: dict[str, bytes]) -> None:
    archive = linked(image, "image", tarfile.TarInfo())
    path = binpkgs.put(tmp_path, "foo-1.gpkg.tar", binpkgs.gpkg(image_archive=archive))
    assert not computed_contract(path).defines


@pytest.mark.parametrize("method", ["lz4", "lzip", "lzop", "gzip", "bzip2", "xz"])
def test_image_that_ends_early(tmp_path: Path, image: dict[str, bytes], method: str) -> None:
    packed = COMPRESS[method][1](tarball(image, "."))
    path = binpkgs.put(tmp_path, "foo-1.xpak", binpkgs.xpak(image=packed[: len(packed) - 2000]))
    with pytest.raises((DecompressionError, MalformedPackageError)):
        computed_contract(path)


def test_tool_that_is_not_there(tmp_path: Path, image: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    path = binpkgs.put(tmp_path, "foo-1.xpak", binpkgs.xpak(image=COMPRESS["lz4"][1](tarball(image, "."))))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DecompressionError, match="lz4 is not installed"):
        computed_contract(path)


@pytest.mark.parametrize("method", ["lz4", "zstd"])
def test_bomb_costs_no_more_than_its_bound(
    tmp_path: Path, image: dict[str, bytes], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "IMAGE_SIZE", 8 * limits.MIB)
    packed = COMPRESS[method][1](tarball({"zeros": b"\0" * (64 * limits.MIB)}, "."))
    with pytest.raises(OversizedPackageError):
        computed_contract(binpkgs.put(tmp_path, "foo-1.xpak", binpkgs.xpak(image=packed)))


def test_image_that_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(MalformedPackageError):
        computed_contract(binpkgs.put(tmp_path, "foo-1.xpak", binpkgs.xpak()))


def image_of(tmp_path: Path, archive: bytes) -> Path:
    return binpkgs.put(tmp_path, "foo-1.gpkg.tar", binpkgs.gpkg(image_archive=archive))


def test_only_what_lies_below_image_is_installed(tmp_path: Path) -> None:
    path = image_of(tmp_path, tar_of({"image/a": b"1", "./image/b/../c": b"2", "other/d": b"3", "e": b"4", "image/../f": b"5"}))
    assert list(files(path)) == [("/a", 1), ("/c", 1)]


HEADER = Piece(name=b"image/a", kind=b"x")
HOSTILE = {
    "headers before headers without end": bytes(Piece(kind=b"L", data=b"image/a\0")) * 2000,
    "global headers without end": bytes(Piece(kind=b"g", data=record(b"comment", b"x"))) * 2000,
    "a pax header of 100 MB": b"",  # not held in every test process
    "a sparse member": bytes(Piece(name=b"image/a", kind=b"S")),
    "a pax sparse map": bytes(Piece(kind=b"x", data=record(b"GNU.sparse.map", b"0,1"))) + bytes(Piece(name=b"image/a")),
    "a sparse map in the data": bytes(
        Piece(kind=b"x", data=record(b"GNU.sparse.major", b"1") + record(b"GNU.sparse.minor", b"0"))
    )
    + bytes(Piece(name=b"image/a", data=b"9\n" + b"0\n" * 18)),
    "a size far behind the end": bytes(Piece(kind=b"x", data=record(b"size", b"9" * 40))) + bytes(Piece(name=b"image/a")),
    "a size below zero": bytes(Piece(kind=b"x", data=record(b"size", b"-1000"))) + bytes(Piece(name=b"image/a")),
    "a size below zero in its header": bytes(Piece(name=b"image/a", size="negative")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_image_that_would_keep_tarfile_busy_is_malformed(tmp_path: Path, name: str) -> None:
    archive = HOSTILE[name] or bytes(Piece(kind=b"x", data=record(b"comment", b"x" * 100_000_000)))
    path = image_of(tmp_path, bytes(Piece(name=b"image/first")) + archive + bytes(1024))
    tracemalloc.start()
    try:
        with pytest.raises(MalformedPackageError):
            list(files(path))
        assert tracemalloc.get_traced_memory()[1] < 64 * limits.MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("cut", [1, 4, 100])
def test_an_image_whose_zstd_stream_is_cut_off_is_refused(tmp_path: Path, cut: int) -> None:
    """Behind the last member there is padding alone, and the reader of zstandard takes the cut for the end."""
    tar = binpkgs.tar_of({"./usr/share/data": b"x" * 1000}) + bytes(1 << 20)
    whole = zstandard.ZstdCompressor(write_checksum=True, level=1).compressobj()
    archive = b""
    for at in range(0, len(tar), 4096):
        archive += whole.compress(tar[at : at + 4096]) + whole.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    archive += whole.flush()
    assert "/usr/share/data" in dict(files(binpkgs.put(tmp_path, "a.xpak", binpkgs.xpak(image=archive))))
    with pytest.raises(DecompressionError):
        list(files(binpkgs.put(tmp_path, "b.xpak", binpkgs.xpak(image=archive[:-cut]))))
