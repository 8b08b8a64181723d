"""The readers of packages: containers, what is in them, images and objects."""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from portage_ext.elf.reader import BrokenElfError, read_object
from portage_ext.elf.tree import Objects
from portage_ext.errors import PackageError
from portage_ext.gpkg.compression import BadStreamError, decompress
from portage_ext.gpkg.container import check_members, read_container, read_metadata
from portage_ext.gpkg.contract import contract_of_image, contract_of_xpak
from portage_ext.gpkg.detached import binary_signature
from portage_ext.gpkg.identity import as_text, identity_of
from portage_ext.gpkg.manifest import ManifestError, parse_manifest
from portage_ext.gpkg.source import Source
from portage_ext.gpkg.tar import TarError, members, read_values
from portage_ext.gpkg.xpak import read_xpak
from tests.system.fuzz.judging import Target
from tests.testkit import binpkgs
from tests.unit.elf.objects import library
from tests.unit.gpkg.test_tarfile import Piece, record

TAR_WORDS = (
    b"ustar\x0000",
    b"ustar  \0",
    bytes(512),
    bytes(Piece()),
    bytes(Piece(kind=b"x", data=record(b"path", b"metadata/x"))),
    bytes(Piece(kind=b"L", data=b"metadata/x\0")),
    bytes(Piece(kind=b"S")),
    bytes(Piece(kind=b"g", data=record(b"size", b"9"))),
    record(b"GNU.sparse.map", b"0,1"),
    record(b"size", b"1" + b"0" * 30),
    b"path=",
    b"hdrcharset=BINARY",
)
FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)


def opened(read: Callable[[Source], object]) -> Callable[[bytes], None]:
    """Makes a reader of packages one of bytes."""

    def call(data: bytes) -> None:
        fd = os.memfd_create("package")
        try:
            os.write(fd, data)
            read(Source(fd, "x"))
        finally:
            os.close(fd)

    return call


def checksums(data: bytes) -> bytes:
    """Whatever looks like a header of tar gets the checksum that it should have."""
    whole = bytearray(data)
    for at in range(0, len(whole) - 511, 512):
        if whole[at + 257 : at + 262] == b"ustar":
            whole[at + 148 : at + 156] = b" " * 8
            whole[at + 148 : at + 156] = b"%06o\0 " % sum(whole[at : at + 512])
    return bytes(whole)


def tar(data: bytes) -> None:
    read_values(data, "metadata/", frozenset({"SLOT", "PF"}))
    list(members(lambda at, size: data[at : at + size], len(data), 64))


def container(source: Source) -> None:
    """As the index is made, but for the digests: they would hide what is behind them."""
    found = read_container(source)
    identity_of(source.name, as_text(source.name, read_metadata(source, found)))
    contract_of_image(source, found)
    check_members(source, found, image=True)


def xpak(source: Source) -> None:
    identity_of(source.name, as_text(source.name, read_xpak(source)))
    contract_of_xpak(source)


def image(method: str, data: bytes) -> None:
    """An image, compressed as it is and packed honestly."""
    opened(lambda source: contract_of_image(source, read_container(source)))(
        binpkgs.gpkg(image_archive=data, compression=method) if method else binpkgs.gpkg(image_archive=data)
    )


def objects() -> list[bytes]:
    with tempfile.TemporaryDirectory(prefix="pe-fuzz-") as made:
        path = library(Path(made) / "libfoo.so.1", ["FOO_1", "FOO_2"], "-Wl,-rpath,/opt/x", "-Wl,-z,max-page-size=4096", "-s")
        whole = path.read_bytes()
    return [whole]


def elf(data: bytes) -> None:
    read_object(data)
    found = Objects()
    found.add("/usr/lib64/x", data)
    found.announce("/etc/env.d/05gcc", data[:4096])
    found.announce("/etc/ld.so.conf.d/x", data[:4096])
    str(found.contract())


def images() -> list[bytes]:
    whole = objects()[0]
    files = {"image/usr/lib64/libfoo.so.1": whole, "image/etc/env.d/05x": b"LDPATH=/usr/lib64/x\n"}
    return [binpkgs.tar_of(files, form) for form in FORMATS]


def metadata() -> dict[str, bytes]:
    return {f"metadata/{key}": value for key, value in binpkgs.metadata().items()} | {"metadata/" + "n" * 120: b"x"}


def manifests() -> list[bytes]:
    text = "".join(binpkgs.record(name, b"x") for name in ("gpkg-1", "metadata.tar.zst", "image.tar.zst")).encode()
    begin, signature = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n", b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n"
    return [text, begin + text + signature + b"-----END PGP SIGNATURE-----\n"]


def compressed(method: str) -> Target:
    pack = binpkgs.COMPRESS[method][1]
    return Target(
        f"stream-{method}",
        lambda: [pack(b"honest " * 400) * 2, pack(bytes(9 << 20))],
        lambda data: decompress(data, method),
        (BadStreamError,),
        (pack(b""),),
    )


TARGETS = (
    Target("tar", lambda: [binpkgs.tar_of(metadata(), form) for form in FORMATS[1:]], tar, (TarError,), TAR_WORDS, checksums),
    Target(
        "container",
        lambda: [binpkgs.gpkg(compression=method, form=form) for method in ("none", "zstd", "xz") for form in FORMATS],
        opened(container),
        (PackageError,),
        (*TAR_WORDS, b"foo-1/", b"metadata.tar", b"image.tar.gz", b"-----BEGIN PGP SIGNED MESSAGE-----\n"),
        checksums,
    ),
    Target(
        "xpak",
        lambda: [binpkgs.xpak(), binpkgs.xpak(image=images()[0])],
        opened(xpak),
        (PackageError,),
        (b"XPAKPACK", b"XPAKSTOP", b"STOP"),
    ),
    Target("image", images, partial(image, "none"), (PackageError,), TAR_WORDS, checksums),
    Target("elf", objects, elf, (BrokenElfError,), (b"\x7fELF", b"\x02\x01\x01", b"\xfe\xff\xff\x6f", b"\x01\0\0\0\0\0\0\0")),
    Target(
        "manifest",
        manifests,
        parse_manifest,
        (ManifestError,),
        (b"DATA ", b"BLAKE2B ", b"-----BEGIN PGP SIGNATURE-----\n", b"- ", b"Hash: ", b"\r\n"),
    ),
    Target("armor", lambda: manifests()[1:], binary_signature, (ValueError,), (b"-----END PGP SIGNATURE-----", b"=AAAA\n")),
    *map(compressed, ("gzip", "bzip2", "xz", "zstd")),
)
