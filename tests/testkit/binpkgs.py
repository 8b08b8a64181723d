"""Makes binary packages byte by byte, so that a test can bend any part of one. Portage makes the others (tests/unit/pkgdir)."""

from __future__ import annotations

import bz2
import functools
import gzip
import hashlib
import lzma
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import zstandard

COMPRESS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "none": (".tar", lambda data: data),
    "gzip": (".tar.gz", gzip.compress),
    "bzip2": (".tar.bz2", bz2.compress),
    "xz": (".tar.xz", lzma.compress),
    "zstd": (".tar.zst", lambda data: zstandard.ZstdCompressor().compress(data)),
    "lz4": (".tar.lz4", lambda data: _tool(data, "lz4", "-c")),
    "lzip": (".tar.lz", lambda data: _tool(data, "lzip", "-c")),
    "lzop": (".tar.lzo", lambda data: _tool(data, "lzop", "-c")),
}


def _tool(data: bytes, *command: str) -> bytes:
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


def metadata(cpv: str = "app-misc/foo-1", **more: str) -> dict[str, bytes]:
    """What Portage would record for ``cpv``, as far as the index cares."""
    category, pf = cpv.split("/")
    values = {
        "CATEGORY": category,
        "PF": pf,
        "SLOT": "0",
        "EAPI": "8",
        "BUILD_TIME": "1700000000",
        "CHOST": "x86_64-pc-linux-gnu",
        "KEYWORDS": "amd64",
        "repository": "tiny",
        **more,
    }
    return {key: f"{value}\n".encode() for key, value in values.items()}


def record_installed(root: Path, cpv: str, **more: str) -> None:
    """An entry in the vdb below ``root`` of a package that is installed and has no files."""
    entry = root / "var/db/pkg" / cpv
    entry.mkdir(parents=True)
    for name, data in (metadata(cpv, **more) | {"CONTENTS": b"", "COUNTER": b"1\n"}).items():
        (entry / name).write_bytes(data)


def tar_of(files: Mapping[str, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    parts = [part for name, data in files.items() for part in (_header(name, len(data), form), data, bytes(-len(data) % 512))]
    parts.append(bytes(2 * tarfile.BLOCKSIZE))
    return b"".join((*parts, bytes(-sum(map(len, parts)) % tarfile.RECORDSIZE)))


@functools.cache
def _header(name: str, size: int, form: int) -> bytes:
    """What tarfile writes before a file; packages by the thousand have files of the same names."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(form)


def record(name: str, data: bytes) -> str:
    return f"DATA {name} {len(data)} BLAKE2B {hashlib.blake2b(data).hexdigest()} SHA512 {hashlib.sha512(data).hexdigest()}\n"


def gpkg(
    values: Mapping[str, bytes] | None = None,
    *,
    compression: str = "zstd",
    image: bytes = b"",
    prefix: str | None = None,
    extra: Mapping[str, bytes] | None = None,
    manifest: Callable[[bytes], bytes] | None = None,
    inner: bytes | None = None,
    image_archive: bytes | None = None,
    form: int = tarfile.USTAR_FORMAT,
) -> bytes:
    """A whole gpkg; ``manifest`` may rewrite the Manifest,
    ``inner`` and ``image_archive`` replace the archives of metadata and image."""
    values = metadata() if values is None else values
    suffix, compress = COMPRESS[compression]
    directory = values.get("PF", b"foo-1").decode().strip() if prefix is None else prefix
    members = {
        "gpkg-1": b"",
        f"metadata{suffix}": compress(tar_of({f"metadata/{k}": v for k, v in values.items()}) if inner is None else inner),
        f"image{suffix}": compress(tar_of({"image/usr/share/data": image}) if image_archive is None else image_archive),
        **(extra or {}),
    }
    listing = "".join(record(name, data) for name, data in members.items()).encode()
    members["Manifest"] = manifest(listing) if manifest else listing
    return tar_of({f"{directory}/{name}": data for name, data in members.items()}, form)


def xpak(values: Mapping[str, bytes] | None = None, image: bytes = b"not really a tarball") -> bytes:
    values = metadata() if values is None else values
    index = data = b""
    for key, value in values.items():
        name = key.encode()
        index += len(name).to_bytes(4, "big") + name + len(data).to_bytes(4, "big") + len(value).to_bytes(4, "big")
        data += value
    segment = b"XPAKPACK" + len(index).to_bytes(4, "big") + len(data).to_bytes(4, "big") + index + data + b"XPAKSTOP"
    return image + segment + len(segment).to_bytes(4, "big") + b"STOP"


def put(pkgdir: Path, relative: str, data: bytes) -> Path:
    path = pkgdir / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
