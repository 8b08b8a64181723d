"""A delta between two packages, made and applied by the real zstd; and deltas that were made to do harm."""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.errors.deltas import DeltaError, TooLittleError
from portage_ext.gpkg import zstd
from portage_ext.gpkg.container import read_container
from portage_ext.gpkg.delta import apply, make, unpacked
from portage_ext.gpkg.source import Source, open_package
from portage_ext.model.delta import Compressor, Delta
from tests.testkit import binpkgs

RANDOM = random.Random(7).randbytes(200_000)
BEFORE, AFTER = RANDOM + b"1" * 100, RANDOM[:100_000] + b"2" * 50 + RANDOM[100_000:]


def package(path: Path, content: bytes, *flags: str, compression: str = "zstd") -> Path:
    """A package whose image the program zstd has compressed, as Portage does it."""
    suffix, compress = binpkgs.COMPRESS[compression]
    image = binpkgs.tar_of({"image/usr/share/data": content})
    if compression == "zstd":
        image = subprocess.run(["zstd", "-q", "-c", "-T1", *flags], input=image, capture_output=True, check=True).stdout
    else:
        image = compress(image)
    metadata = compress(binpkgs.tar_of({f"metadata/{key}": value for key, value in binpkgs.metadata().items()}))
    members = {"gpkg-1": b"", f"metadata{suffix}": metadata, f"image{suffix}": image}
    members["Manifest"] = "".join(binpkgs.record(name, data) for name, data in members.items()).encode()
    path.write_bytes(binpkgs.tar_of({f"foo-1/{name}": data for name, data in members.items()}))
    return path


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    fd = open_package(path)
    try:
        yield Source(fd, path.name)
    finally:
        os.close(fd)


def made(folder: Path, patch: Path, *compressors: Compressor) -> Delta:
    """The delta from ``old`` to ``new`` in ``folder``; its file is ``patch``."""
    version = zstd.version("x")
    with opened(folder / "old") as old, opened(folder / "new") as new, patch.open("x+b") as file:
        return make(old, new, compressors or (Compressor(version, 9), Compressor(version)), file, folder)


def applied(folder: Path, patch: Path, delta: Delta) -> bytes:
    with opened(folder / "old") as old, tempfile.TemporaryFile(dir=folder) as out:
        with unpacked(old, read_container(old), delta.base_image, folder) as base, patch.open("rb") as file:
            apply("x", base, file, delta, out.fileno())
        return os.pread(out.fileno(), 10**7, 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package(tmp_path / "old", BEFORE)
    package(tmp_path / "new", AFTER)
    return tmp_path


def test_a_delta_gives_the_same_bytes_and_is_small(folder: Path) -> None:
    delta = made(folder, folder / "patch")
    assert delta.compressor.level == 3
    assert (folder / "patch").stat().st_size == delta.size < 10_000
    assert applied(folder, folder / "patch", delta) == (folder / "new").read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["new", "old", "patch"]


def test_the_level_is_found_by_trying(folder: Path) -> None:
    package(folder / "new", b"".join(bytes([one % 7]) * (one % 50) for one in range(9000)) + AFTER, "-9")
    assert made(folder, folder / "patch").compressor.level == 9


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ({"content": b"x"}, {"content": AFTER}, "save less"),
        ({"content": BEFORE, "compression": "gzip"}, {"content": AFTER}, "gzip, not zstd"),
        ({"content": BEFORE}, {"content": AFTER, "compression": "none"}, "none, not zstd"),
    ],
)
def test_no_delta_is_made_where_it_would_not_help(
    tmp_path: Path, old: dict[str, object], new: dict[str, object], why: str
) -> None:
    package(tmp_path / "old", **old)  # type: ignore[arg-type]
    package(tmp_path / "new", **new)  # type: ignore[arg-type]
    with pytest.raises(DeltaError, match=why):
        made(tmp_path, tmp_path / "patch")


def test_what_zstd_does_not_compress_alike_has_no_delta(folder: Path) -> None:
    (folder / "new").write_bytes(binpkgs.gpkg(image=AFTER))
    with pytest.raises(DeltaError, match="not compress its image to the same bytes") as caught:
        made(folder, folder / "patch")
    assert not isinstance(caught.value, TooLittleError)


def bomb(folder: Path, size: int) -> Path:
    """A delta that makes ``size`` zeros."""
    with (folder / "bomb").open("wb") as out:
        zeros = subprocess.Popen(["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE)
        subprocess.run(["zstd", "-q", "-c"], stdin=zeros.stdout, stdout=out, check=True)
        zeros.wait()
    return folder / "bomb"


def test_a_bomb_is_stopped_at_the_size_that_was_announced(folder: Path) -> None:
    delta = made(folder, folder / "patch")
    with pytest.raises(DeltaError, match="more than it says"):
        applied(folder, bomb(folder, 50_000_000), delta)


def test_a_delta_may_not_take_more_memory_than_its_images_allow(folder: Path) -> None:
    delta = made(folder, folder / "patch")
    with (folder / "large").open("wb") as out:
        zeros = subprocess.Popen(["head", "-c", "10000000", "/dev/zero"], stdout=subprocess.PIPE)
        subprocess.run(["zstd", "-q", "-c", "-1", "--long=30"], stdin=zeros.stdout, stdout=out, check=True)
        zeros.wait()
    assert delta.patch_memory < 200 * limits.MIB
    with pytest.raises(DeltaError):
        applied(folder, folder / "large", delta)


@pytest.mark.parametrize(
    "change", [{"head": 10}, {"tail": 1_000_000}, {"image": 10}, {"image": 10_000_000}, {"base_image": 10}], ids=str
)
def test_wrong_sizes_are_errors(folder: Path, change: dict[str, int]) -> None:
    delta = made(folder, folder / "patch")
    with pytest.raises(DeltaError):
        applied(folder, folder / "patch", replace(delta, **change))


def test_another_old_package_is_an_error_or_gives_other_bytes(folder: Path) -> None:
    delta = made(folder, folder / "patch")
    package(folder / "old", b"y" * 300_000)
    try:
        other = applied(folder, folder / "patch", replace(delta, base_image=limits.MIB))
    except DeltaError:
        return
    assert other != (folder / "new").read_bytes()
