from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.errors import DigestMismatchError, EmptyPackageError, PackageError, UnreadablePackageError
from portage_ext.gpkg.identity import read_identity
from portage_ext.model import Cpv
from tests.testkit import binpkgs


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
