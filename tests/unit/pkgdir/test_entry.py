"""One bad file is one line in the report: everything else is indexed, and nothing of the file is believed."""

from __future__ import annotations

import errno
import os
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.errors import (
    DecompressionError,
    DigestMismatchError,
    EmptyPackageError,
    InvalidDependencyError,
    MalformedPackageError,
    MisnamedPackageError,
    MissingMetadataError,
    OversizedPackageError,
    PackageError,
    TruncatedPackageError,
    UnacceptedSignatureError,
    UnreadablePackageError,
)
from portage_ext.gpkg.container import Container
from portage_ext.gpkg.source import Source
from portage_ext.pkgdir import entry
from portage_ext.pkgdir.signatures import SignaturePolicy
from tests.testkit import binpkgs
from tests.unit.pkgdir.engine import Engine

pytestmark = pytest.mark.usefixtures("reading")
GOOD = "app-misc/good/good-1-1.gpkg.tar"
BAD = "app-misc/foo/foo-1-1.gpkg.tar"


def _tar(*members: tuple[str, bytes, bytes]) -> bytes:
    out = []
    for name, kind, data in members:
        info = tarfile.TarInfo(name)
        info.type, info.size = kind, len(data)
        out += [info.tobuf(tarfile.USTAR_FORMAT), data, bytes(-len(data) % 512)]
    return b"".join((*out, bytes(1024)))


def _flip(data: bytes, needle: bytes) -> bytes:
    changed = bytearray(data)
    changed[data.index(needle)] ^= 1
    return bytes(changed)


def _manifest(change: Callable[[bytes], bytes]) -> bytes:
    return binpkgs.gpkg(manifest=change)


def _inner(*members: tuple[str, bytes, bytes]) -> bytes:
    return binpkgs.gpkg(inner=_tar(*members))


CASES: dict[str, tuple[Callable[[], bytes], type[PackageError]]] = {
    "empty": (lambda: b"", EmptyPackageError),
    "no archive": (lambda: b"x" * 4000, MalformedPackageError),
    "zeros": (lambda: bytes(10240), MalformedPackageError),
    "truncated in the image": (lambda: binpkgs.gpkg(image=bytes(9000), compression="none")[:9000], TruncatedPackageError),
    "truncated in a header": (lambda: binpkgs.gpkg()[:700], PackageError),
    "data behind the end": (lambda: binpkgs.gpkg() + b"more", MalformedPackageError),
    "a second image": (lambda: binpkgs.gpkg(extra={"image.tar.xz": b"other"}), MalformedPackageError),
    "a second metadata": (lambda: binpkgs.gpkg(extra={"metadata.tar": b"other"}), MalformedPackageError),
    "a member twice": (lambda: _tar(("f/gpkg-1", b"0", b""), ("f/gpkg-1", b"0", b"")), MalformedPackageError),
    "a symbolic link": (lambda: _tar(("f/gpkg-1", b"0", b""), ("f/image.tar", b"2", b"")), MalformedPackageError),
    "a hard link": (lambda: _tar(("f/gpkg-1", b"0", b""), ("f/image.tar", b"1", b"")), MalformedPackageError),
    "a device": (lambda: _tar(("f/gpkg-1", b"0", b""), ("f/image.tar", b"4", b"")), MalformedPackageError),
    "an absolute name": (lambda: _tar(("/gpkg-1", b"0", b"")), MalformedPackageError),
    "a climbing name": (lambda: binpkgs.gpkg(prefix=".."), MalformedPackageError),
    "a nested name": (lambda: binpkgs.gpkg(prefix="a/b"), MalformedPackageError),
    "too many members": (lambda: _tar(*((f"f/{n}", b"0", b"") for n in range(99))), MalformedPackageError),
    "a long name without end": (lambda: _tar(("f/x", b"L", bytes(9000))), MalformedPackageError),
    "no Manifest": (lambda: _tar(("f/gpkg-1", b"0", b"")), MalformedPackageError),
    "a Manifest without digests": (lambda: _manifest(lambda text: b"DATA gpkg-1 0\n"), MalformedPackageError),
    "a Manifest of SHA512 only": (lambda: _manifest(lambda text: text.replace(b"BLAKE2B", b"SHA256")), MalformedPackageError),
    "a Manifest that misses a member": (lambda: _manifest(lambda text: text.split(b"\n", 1)[1]), DigestMismatchError),
    "a Manifest that lists more": (
        lambda: _manifest(lambda text: text + binpkgs.record("x", b"").encode()),
        DigestMismatchError,
    ),
    "a Manifest that lists one twice": (lambda: _manifest(lambda text: text + text), MalformedPackageError),
    "a Manifest of binary": (lambda: _manifest(lambda text: b"\xff\xfe" + text), MalformedPackageError),
    "an endless Manifest": (lambda: _manifest(lambda text: text + b"\n" * limits.MANIFEST_SIZE), OversizedPackageError),
    "metadata changed": (lambda: _flip(binpkgs.gpkg(compression="none"), b"x86_64-pc"), DigestMismatchError),
    "metadata outside metadata/": (lambda: _inner(("SLOT", b"0", b"0")), MalformedPackageError),
    "metadata with a link": (lambda: _inner(("metadata/SLOT", b"2", b"")), MalformedPackageError),
    "metadata with a directory": (lambda: _inner(("metadata/", b"5", b"")), MalformedPackageError),
    "metadata of too many files": (
        lambda: _inner(*((f"metadata/{n}", b"0", b"") for n in range(limits.METADATA_MEMBERS + 1))),
        MalformedPackageError,
    ),
    "a sparse member": (lambda: _inner(("metadata/SLOT", b"S", b"0")), MalformedPackageError),
    "a value beyond the bound": (
        lambda: binpkgs.gpkg({**binpkgs.metadata(), "PROVIDES": os.urandom(limits.METADATA_VALUE + 1)}),
        OversizedPackageError,
    ),
    "an entry at which emerge would give up the index": (
        lambda: binpkgs.gpkg(
            binpkgs.metadata(
                **{key: os.urandom(limits.METADATA_VALUE // 3).hex() for key in ("PROVIDES", "REQUIRES", "IUSE", "USE")}
            )
        ),
        OversizedPackageError,
    ),
    "no SLOT": (lambda: binpkgs.gpkg({**binpkgs.metadata(), "SLOT": b"\n"}), MissingMetadataError),
    "no PF": (lambda: binpkgs.gpkg({k: v for k, v in binpkgs.metadata().items() if k != "PF"}), MissingMetadataError),
    "another name": (lambda: binpkgs.gpkg(binpkgs.metadata("app-misc/bar-1")), MisnamedPackageError),
    "another version": (lambda: binpkgs.gpkg(binpkgs.metadata("app-misc/foo-2")), MisnamedPackageError),
    "another category": (lambda: binpkgs.gpkg(binpkgs.metadata("dev-libs/foo-1")), MisnamedPackageError),
    "a climbing category": (lambda: binpkgs.gpkg(binpkgs.metadata("../foo-1")), MalformedPackageError),
    "a BUILD_ID that is none": (lambda: binpkgs.gpkg(binpkgs.metadata(BUILD_ID="1x")), MalformedPackageError),
    "a dependency that is none": (lambda: binpkgs.gpkg(binpkgs.metadata(RDEPEND="broken")), InvalidDependencyError),
}


@cache
def _made(name: str) -> bytes:
    """The file of a case, which is read in several ways."""
    return CASES[name][0]()


@pytest.mark.parametrize("name", CASES)
def test_a_bad_package_is_left_out_by_name_and_the_others_stay(engine: Engine, name: str) -> None:
    error = CASES[name][1]
    binpkgs.put(engine.pkgdir, GOOD, binpkgs.gpkg(binpkgs.metadata("app-misc/good-1")))
    binpkgs.put(engine.pkgdir, BAD, _made(name))
    report = engine.run()
    assert [type(one) for one in report.left_out] == [error] or isinstance(report.left_out[0], error), report.left_out
    assert [one.path for one in report.left_out] == [BAD]
    assert engine.paths() == [GOOD]
    # Remembered, still reported, and not opened again (unless another look could help).
    again = engine.run()
    assert [one.path for one in again.left_out] == [BAD]
    assert type(again.left_out[0]) is type(report.left_out[0])
    assert str(again.left_out[0]) == str(report.left_out[0])
    assert again.opened == (0 if report.left_out[0].lasting else 1)
    assert not again.written


def test_no_room_for_the_objects_of_one_package_keeps_no_other_out(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract of an image with large objects needs room in TMPDIR."""
    binpkgs.put(engine.pkgdir, GOOD, binpkgs.gpkg(binpkgs.metadata("app-misc/good-1")))
    binpkgs.put(engine.pkgdir, BAD, binpkgs.gpkg())
    whole = entry.read_metadata

    def full(source: Source, container: Container, wanted: frozenset[str]) -> dict[str, bytes]:
        if source.name == BAD:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return whole(source, container, wanted)

    monkeypatch.setattr(entry, "read_metadata", full)
    (error,) = engine.run().left_out
    assert isinstance(error, UnreadablePackageError)
    assert not error.lasting
    assert engine.paths() == [GOOD]


@cache
def _bomb(method: str) -> bytes:
    # lz4 packs less than METADATA_RATIO to one; of the others as much is enough as is never read to its end.
    size = limits.METADATA_SIZE + 1 if method == "lz4" else 3 * limits.METADATA_RATIO_FREE
    return binpkgs.gpkg(inner=binpkgs.tar_of({"metadata/SLOT": bytes(size)}), compression=method)


@pytest.mark.parametrize("method", ["zstd", "gzip", "bzip2", "xz", "lz4"])
def test_a_bomb_of_any_method_stops_at_its_bound(engine: Engine, method: str) -> None:
    binpkgs.put(engine.pkgdir, BAD, _bomb(method))
    (error,) = engine.run().left_out
    assert isinstance(error, OversizedPackageError)
    assert "decompresses to more than" in str(error)


def test_garbage_under_the_name_of_a_compressed_archive_is_a_decompression_error(engine: Engine) -> None:
    values = {"gpkg-1": b"", "metadata.tar.zst": b"no zstd at all", "image.tar": b""}
    values["Manifest"] = "".join(binpkgs.record(name, content) for name, content in values.items()).encode()
    binpkgs.put(engine.pkgdir, BAD, binpkgs.tar_of({f"foo-1/{name}": content for name, content in values.items()}))
    (error,) = engine.run().left_out
    assert isinstance(error, DecompressionError)


def test_a_broken_xpak_is_left_out(engine: Engine) -> None:
    good = binpkgs.xpak()
    for number, data in enumerate((b"x" * 5, good[:-1], good[:-20] + good[-16:], good.replace(b"XPAKPACK", b"XPAKPICK"))):
        binpkgs.put(engine.pkgdir, f"app-misc/foo-{number}.tbz2", data)
    binpkgs.put(engine.pkgdir, "app-misc/foo-1.tbz2", good)
    report = engine.run()
    assert engine.paths() == ["app-misc/foo-1.tbz2"]
    assert len(report.left_out) == 3


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_an_unreadable_package_is_named_and_looked_at_again(engine: Engine) -> None:
    path = binpkgs.put(engine.pkgdir, BAD, binpkgs.gpkg())
    path.chmod(0)
    (error,) = engine.run().left_out
    assert isinstance(error, UnreadablePackageError)
    path.chmod(0o644)
    assert engine.run().left_out == ()
    assert engine.paths() == [BAD]


def test_names_that_no_terminal_should_see_are_left_out(engine: Engine) -> None:
    for name in (b"app-misc/foo/\x1b[31mfoo-1-1.gpkg.tar", b"app-misc/foo/foo\n-1-1.gpkg.tar", b"app-misc/foo/\xff-1.gpkg.tar"):
        path = os.fsencode(engine.pkgdir) + b"/" + name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(os.fsdecode(path)).write_bytes(binpkgs.gpkg())
    assert len(engine.run().left_out) == 3
    assert len(engine.run().left_out) == 3


def test_links_to_packages_and_foreign_files_are_not_packages(engine: Engine) -> None:
    real = binpkgs.put(engine.pkgdir, BAD, binpkgs.gpkg())
    (engine.pkgdir / "All").mkdir()
    (engine.pkgdir / "All/foo-1.gpkg.tar").symlink_to(real)
    (engine.pkgdir / "elsewhere").symlink_to(engine.pkgdir / "app-misc")
    binpkgs.put(engine.pkgdir, "app-misc/foo/foo-1-1.gpkg.tar.partial", b"growing")
    report = engine.run()
    assert (engine.paths(), report.left_out) == ([BAD], ())


def test_an_unsigned_package_is_left_out_where_signatures_are_required(tmp_path: Path) -> None:
    engine = Engine.create(tmp_path, policy=SignaturePolicy(True, True, ("gpg",)))
    binpkgs.put(engine.pkgdir, BAD, binpkgs.gpkg())
    binpkgs.put(engine.pkgdir, "app-misc/old-1.tbz2", binpkgs.xpak(binpkgs.metadata("app-misc/old-1")))
    assert {type(one) for one in engine.run(force=True).left_out} == {UnacceptedSignatureError}
