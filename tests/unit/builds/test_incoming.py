"""The result of a build is what its job says, or is refused by name: identity, flags, archive, and what lies beside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from portage_ext.builds.incoming import accepted
from portage_ext.errors.builds import RefusedResultError
from portage_ext.limits import builds as limits
from tests.testkit.binpkgs import gpkg, metadata, put, tar_of, xpak
from tests.unit.builds.examples import job

NAME = "app-misc/thing/thing-1.0-1.gpkg.tar"
CLEARSIGNED = (
    b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n%s"
    b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n"
)


def values(**changed: str) -> dict[str, bytes]:
    its = {"IUSE": "+foo bar", "USE": "foo amd64", "CFLAGS": "-O2 -march=x86-64-v2", "CXXFLAGS": ""}
    its |= {"DEPEND": "dev-libs/libtiny:0/1= dev-libs/other:0/7=", "RDEPEND": "|| ( dev-libs/libtiny:0/1=[foo] x )"}
    return metadata(changed.pop("cpv", "app-misc/thing-1.0"), **its | changed)


def test_the_package_of_the_job_is_accepted(tmp_path: Path) -> None:
    path = put(tmp_path, NAME, gpkg(values()))
    put(tmp_path, "Packages", b"what emerge writes")
    assert accepted(tmp_path, job()) == path


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (gpkg(values(cpv="app-misc/thing-1.1")), "its CPV is 'app-misc/thing-1.1', and 'app-misc/thing-1.0' was to be built"),
        (gpkg(values(SLOT="1")), "its SLOT is '1/1'"),
        (gpkg(values(repository="evil")), "its repository is 'evil'"),
        (gpkg(values(EAPI="7")), "its EAPI is '7'"),
        (gpkg(values(USE="foo bar")), "its USE flag bar is 'on'"),
        (gpkg(values(USE="")), "its USE flag foo is 'off'"),
        (gpkg(values(IUSE="foo bar new", USE="foo new")), "its USE flag new is 'on'"),
        (gpkg(values(CFLAGS="-O3 -march=native")), "its CFLAGS is '-O3 -march=native'"),
        (gpkg(values(CHOST="aarch64-unknown-linux-gnu")), "its CHOST is 'aarch64-unknown-linux-gnu'"),
        (gpkg(values(), manifest=lambda listing: listing.replace(b"image", b"imago")), ""),
        (gpkg(values(), manifest=lambda listing: CLEARSIGNED % listing), "it is signed already"),
        (gpkg(values(), extra={"../../etc/passwd": b"root"}), ""),
        (gpkg(values(), image_archive=tar_of({"image/x": b"", "image/../../etc/cron.d/x": b"x"})), "leads out of it"),
        (gpkg(values(), image_archive=tar_of({"image/x": b"", "/etc/passwd": b"x"})), "its image has '/etc/passwd'"),
        (gpkg(values(DEPEND="dev-libs/libtiny:0/2=")), "its dependency dev-libs/libtiny is '0/2', and '0/1' was to be built"),
        (gpkg(values(RDEPEND=">=dev-libs/libtiny-1.0:0/2=[foo]")), "its dependency dev-libs/libtiny is '0/2'"),
        (gpkg(values())[:4000], ""),
        (b"", ""),
        (xpak(values()), ""),
    ],
)
def test_another_package_is_refused_by_what_it_is(tmp_path: Path, data: bytes, why: str) -> None:
    put(tmp_path, NAME, data)
    with pytest.raises(RefusedResultError) as refused:
        accepted(tmp_path, job())
    assert "refused the build result for app-misc/thing-1.0: " in str(refused.value)
    assert why in str(refused.value)


def linked(directory: Path) -> None:
    (directory / "app-misc/thing").mkdir(parents=True)
    (directory / NAME).symlink_to("/etc/passwd")


def hard_linked(directory: Path) -> None:
    os.link(put(directory, NAME, gpkg(values())), directory / "second.gpkg.tar")


def fifo(directory: Path) -> None:
    os.mkfifo(directory / "pipe.gpkg.tar")


def two(directory: Path) -> None:
    put(directory, NAME, gpkg(values()))
    put(directory, "app-misc/thing/thing-1.0-2.gpkg.tar", gpkg(values()))


def beside(directory: Path) -> None:
    put(directory, NAME, gpkg(values()))
    put(directory, "app-misc/thing/notes.txt", b"x")


def elsewhere(directory: Path) -> None:
    put(directory, "sys-libs/glibc/thing-1.0-1.gpkg.tar", gpkg(values()))


@pytest.mark.parametrize(
    ("leave", "why"),
    [
        (lambda directory: None, "there is no package"),
        (linked, "no regular file of its own"),
        (hard_linked, "no regular file of its own"),
        (fifo, "no regular file of its own"),
        (two, "several packages"),
        (beside, "notes.txt is beside it"),
        (elsewhere, "not where emerge puts app-misc/thing-1.0"),
    ],
)
def test_what_lies_beside_or_elsewhere_is_refused(tmp_path: Path, leave: Callable[[Path], None], why: str) -> None:
    leave(tmp_path)
    with pytest.raises(RefusedResultError, match=why):
        accepted(tmp_path, job())


def test_a_file_beyond_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, NAME, gpkg(values()))
    monkeypatch.setattr(limits, "BUILD_RESULT", 100)
    with pytest.raises(RefusedResultError, match="larger than 100 bytes"):
        accepted(tmp_path, job())
