"""Attacks on the index and the packages behind it. Each through real emerge.

Most use a binhost without a Release (``release = "optional"``), where whoever holds the server can write any index: what can
be checked without a Release still is.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from portage_ext.config import binrepos
from tests.system.attacks.lab import REPO, Lab, flip
from tests.testkit import binpkgs

FLAGS = "app-misc/flags-2.0"


def reindexed(lab: Lab, cpv: str) -> None:
    """Give the entry of ``cpv`` the size and digests of its file, as an attacker would."""
    data = lab.package(cpv).read_bytes()
    values = {"SIZE": str(len(data))}
    values |= {name: hashlib.new(name.lower(), data).hexdigest() for name in ("MD5", "SHA1")}
    values["BLAKE2B"] = hashlib.blake2b(data).hexdigest()
    text = lab.index()
    blocks = text.split("\n\n")
    at = next(number for number, block in enumerate(blocks) if f"CPV: {cpv}\n" in block)
    for key, value in values.items():
        blocks[at] = re.sub(rf"^{key}: .*$", f"{key}: {value}", blocks[at], flags=re.M)
    lab.write_index("\n\n".join(blocks))


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/etc/passwd.gpkg.tar", "UnsafePathError"),
        ("../../flags-2.0-1.gpkg.tar", "UnsafePathError"),
        ("app-misc/flags/../../../x-1.gpkg.tar", "UnsafePathError"),
        ("app-misc/%2e%2e/flags-2.0-1.gpkg.tar", "UnsafePathError"),
        ("app-misc/flags/flags-2.0-1.gpkg.tar\x00", "EntryIdentityError"),
        ("app-misc/flags/flags\n-2.0-1.gpkg.tar", "UnsafePathError"),
        ("app-misc/flags/flags-2.0-1.gpkg.tar?x=1", "UnsafePathError"),
        ("http://127.0.0.1:1/flags-2.0-1.gpkg.tar", "UnsafePathError"),
        ("-oProxyCommand=x/flags-2.0-1.gpkg.tar", "UnsafePathError"),
    ],
    ids=["absolute", "climbing", "climbing-inside", "encoded", "nul", "newline", "query", "url", "option"],
)
def test_an_unsafe_path(open_lab: Lab, path: str, error: str) -> None:
    open_lab.edit(r"^PATH: .*$", lambda _: f"PATH: {path}", package=FLAGS)  # type: ignore[arg-type]
    open_lab.refused(error, f"={FLAGS}")


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1/elsewhere", "file:///tmp", "http://127.0.0.1.evil.example/"])
def test_a_foreign_uri_in_the_header(lab: Lab, uri: str) -> None:
    lab.write_index(f"URI: {uri}\n{lab.index()}")
    lab.publish()
    lab.refused("ForeignUriError")


def test_a_ttl_that_would_freeze_the_host(lab: Lab) -> None:
    lab.write_index(f"TTL: 315360000\n{lab.index()}")
    lab.publish()
    lab.refused("IndexClockError")


@pytest.mark.slow
def test_a_timestamp_in_the_future(lab: Lab) -> None:
    lab.edit(r"^TIMESTAMP: \d+$", f"TIMESTAMP: {int(time.time()) + 10 * 365 * 86400}")
    lab.publish()
    lab.refused("IndexClockError")


@pytest.mark.slow
def test_a_modest_ttl_does_not_keep_emerge_from_looking(lab: Lab) -> None:
    lab.write_index(f"TTL: 3600\n{lab.index()}")
    lab.publish()
    lab.accepted()
    lab.withdraw_release()
    lab.refused("MissingReleaseError", "app-misc/hello")


def test_a_flipped_byte_in_a_package(lab: Lab) -> None:
    flip(lab.package(FLAGS))
    lab.refused("CorruptFileError")


@pytest.mark.slow
def test_a_package_that_is_too_long(lab: Lab) -> None:
    with lab.package(FLAGS).open("ab") as file:
        file.write(b"\0" * 512)
    lab.refused("OversizedFileError")


@pytest.mark.slow
def test_a_package_that_is_too_short(lab: Lab) -> None:
    path = lab.package(FLAGS)
    path.write_bytes(path.read_bytes()[:-512])
    lab.refused("ShortFileError")


@pytest.mark.slow
@pytest.mark.parametrize(("change", "error"), [(+512, "ShortFileError"), (-512, "OversizedFileError")])
def test_a_size_in_the_index_that_is_wrong(open_lab: Lab, change: int, error: str) -> None:
    size = open_lab.package(FLAGS).stat().st_size
    open_lab.edit(r"^SIZE: \d+$", f"SIZE: {size + change}", package=FLAGS)
    open_lab.refused(error, f"={FLAGS}")


def test_package_a_served_as_b(open_lab: Lab) -> None:
    shutil.copy(open_lab.package("app-misc/hello-1.1"), open_lab.package(FLAGS))
    reindexed(open_lab, FLAGS)
    open_lab.refused("WrongPackageError", f"={FLAGS}")


@pytest.mark.slow
def test_an_old_package_served_as_the_new_one(open_lab: Lab) -> None:
    shutil.copy(open_lab.package("app-misc/flags-1.0"), open_lab.package(FLAGS))
    reindexed(open_lab, FLAGS)
    open_lab.refused("WrongPackageError", f"={FLAGS}")


@pytest.mark.slow
def test_an_old_package_under_the_name_of_the_new_one_with_a_release(lab: Lab) -> None:
    shutil.copy(lab.package("app-misc/flags-1.0"), lab.package(FLAGS))
    outcome = lab.emerge(f"={FLAGS}").failed()
    assert any(f"[{name}]" in outcome.text for name in ("corrupt-file", "oversized-file", "short-file")), outcome
    assert not lab.client.installed()


@pytest.mark.slow
def test_another_build_id(open_lab: Lab) -> None:
    path = open_lab.package(FLAGS)
    shutil.copy(path, path.with_name("flags-2.0-7.gpkg.tar"))
    open_lab.edit(r"^BUILD_ID: 1$", "BUILD_ID: 7", package=FLAGS)
    open_lab.edit(r"^PATH: (.*)-1\.gpkg\.tar$", r"PATH: \1-7.gpkg.tar", package=FLAGS)
    open_lab.refused("WrongPackageError", f"={FLAGS}")


@pytest.mark.slow
def test_a_path_of_another_build_than_the_entry_says(open_lab: Lab) -> None:
    """A number in the path binds nothing, since quickpkg gives any; what is in the package does."""
    open_lab.edit(r"^BUILD_ID: 1$", "BUILD_ID: 7", package=FLAGS)
    open_lab.refused("WrongPackageError", f"={FLAGS}")


@pytest.mark.slow
def test_two_entries_with_one_path(open_lab: Lab) -> None:
    block = next(one for one in open_lab.index().split("\n\n") if f"CPV: {FLAGS}\n" in one)
    open_lab.write_index(f"{open_lab.index().rstrip()}\n\n{block}\n\n")
    assert "[entry-identity]" in open_lab.emerge("--pretend", f"={FLAGS}").text


@pytest.mark.slow
def test_another_slot(open_lab: Lab) -> None:
    open_lab.edit(r"^SLOT: 2/5$", "SLOT: 1/5", package="app-misc/slotted-2.5")
    open_lab.refused("WrongPackageError", "=app-misc/slotted-2.5")


@pytest.mark.parametrize(
    ("package", "pattern", "new"),
    [
        ("kde-apps/beta-24.1", r"^RDEPEND: .*\n", ""),
        ("app-misc/usestiny-1.0", r"^DEPEND: .*\n", ""),
        ("app-misc/usestiny-1.0", r"^RDEPEND: .*$", "RDEPEND: app-misc/flags"),
        (FLAGS, r"^USE: .*$", "USE: amd64 bar foo"),
        (FLAGS, r"^KEYWORDS: .*$", "KEYWORDS: amd64 arm"),
        (FLAGS, r"^IUSE: .*$", "IUSE: bar +foo baz"),
    ],
    ids=["RDEPEND-stripped", "DEPEND-stripped", "RDEPEND-replaced", "USE", "KEYWORDS", "IUSE"],
)
def test_changed_metadata(open_lab: Lab, package: str, pattern: str, new: str) -> None:
    open_lab.edit(pattern, new, package=package)
    open_lab.refused("ChangedMetadataError", "--nodeps", f"={package}", FEATURES="-binpkg-respect-use")


@pytest.mark.slow
def test_only_md5_and_sha1_beside_a_release(lab: Lab) -> None:
    lab.edit(r"^BLAKE2B: .*\n", "", package=FLAGS)
    lab.publish()
    lab.refused("WeakDigestError", f"={FLAGS}")


@pytest.mark.slow
def test_no_digest_at_all(open_lab: Lab) -> None:
    for name in ("BLAKE2B", "MD5", "SHA1"):
        open_lab.edit(rf"^{name}: .*\n", "", package=FLAGS)
    open_lab.refused("WeakDigestError", f"={FLAGS}")


def only_weak(lab: Lab) -> None:
    """What Gentoo's own binhosts publish."""
    lab.write_index(re.sub(r"^BLAKE2B: .*\n", "", lab.index(), flags=re.M))


def test_without_a_release_md5_and_sha1_serve_with_the_packages_own_signature(open_lab: Lab) -> None:
    only_weak(open_lab)
    open_lab.accepted()


@pytest.mark.parametrize("digests", ["weak", "strong"])
def test_a_package_of_another_binrepos_key_without_a_release(open_lab: Lab, other_key: object, digests: str) -> None:
    from portage_ext.gpkg.sign import sign_package
    from portage_ext.trust.signer import GpgSigner, SigningKey
    from tests.testkit import keys

    assert isinstance(other_key, keys.SigningKey)
    open_lab.pin(other_key, "other")
    sign_package(open_lab.package(FLAGS), GpgSigner(SigningKey(other_key.fingerprint, other_key.fingerprint), other_key.home))
    reindexed(open_lab, FLAGS)
    if digests == "weak":
        only_weak(open_lab)
    outcome = open_lab.refused("UntrustedKeyError", f"={FLAGS}")
    assert other_key.fingerprint in outcome.text


def test_an_unsigned_package_without_a_release(open_lab: Lab) -> None:
    data = binpkgs.gpkg(binpkgs.metadata(FLAGS))
    open_lab.package(FLAGS).write_bytes(data)
    reindexed(open_lab, FLAGS)
    only_weak(open_lab)
    open_lab.refused("UnsignedError", f"={FLAGS}")


def two_images(data: bytes) -> bytes:
    return binpkgs.gpkg(binpkgs.metadata(FLAGS, BUILD_ID="1"), extra={"image.tar.gz": gzip.compress(b"")})


def trailing(data: bytes) -> bytes:
    return data + b"#!/bin/sh\n" + bytes(502)


def member(kind: bytes) -> Callable[[bytes], bytes]:
    """Turn the type of the first member into ``kind`` and correct the checksum of its header."""

    def change(data: bytes) -> bytes:
        header = bytearray(data[:512])
        header[156:157] = kind
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        return bytes(header) + data[512:]

    return change


@pytest.mark.parametrize(
    "change",
    [two_images, trailing, member(b"2"), member(b"1"), member(b"3"), member(b"6"), member(b"S")],
    ids=["two-images", "trailing-data", "symlink", "hardlink", "device", "fifo", "sparse"],
)
def test_a_container_that_is_none(lab: Lab, change: Callable[[bytes], bytes]) -> None:
    path = lab.package(FLAGS)
    path.write_bytes(change(path.read_bytes()))
    reindexed(lab, FLAGS)
    lab.publish()
    lab.refused("UnusablePackageError", f"={FLAGS}")


def test_a_package_swapped_between_check_and_use(lab: Lab, work: Path) -> None:
    evil = work / "evil"
    shutil.copy(lab.package("app-misc/flags-1.0"), evil)
    swapping = work / "swapping"
    swapping.write_text(
        f'#!/bin/sh\nportage-ext fetch "$@" || exit\nfor last; do :; done; case $last in *.partial) cp {evil} "$last";; esac\n'
    )
    swapping.chmod(0o755)
    conf = binrepos.drop_in(lab.client.path, REPO)
    conf.write_text(conf.read_text().replace("portage-ext fetch", str(swapping)))
    outcome = lab.emerge(f"={FLAGS}").failed()
    assert "Digest verification failed" in outcome.text or "GnuPG verification failed" in outcome.text, outcome
    assert not lab.client.installed()
