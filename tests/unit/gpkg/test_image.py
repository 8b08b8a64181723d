"""The contract of a package is the same whatever its image is compressed by, and damage to it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.errors import DecompressionError, MalformedPackageError, OversizedPackageError
from portage_ext.gpkg.contract import computed_contract
from tests.testkit import binpkgs
from tests.testkit.binpkgs import COMPRESS
from tests.unit.elf.objects import library

FOO = "1 > x86_64 libc.so.6:GLIBC_2.2.5 < x86_64 libfoo.so.1:FOO_1"


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
