"""The contract of a package file: as its own metadata records it, or worked out from its image, object by object.

The image is decompressed as a stream and only ELF objects are kept, one at a time; large ones in a temporary file.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import mmap
import os
import posixpath
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from portage_ext import limits
from portage_ext.elf.reader import MAGIC
from portage_ext.elf.tree import Objects, announces
from portage_ext.errors import DecompressionError, MalformedPackageError, OversizedPackageError
from portage_ext.gpkg.container import Container, read_container, read_metadata
from portage_ext.gpkg.identity import GPKG_SUFFIX, as_text
from portage_ext.gpkg.source import Source, open_package
from portage_ext.gpkg.xpak import read_xpak
from portage_ext.model.contract import KEY, SymbolContract

_METADATA = frozenset((KEY, "EPREFIX"))


def stored_contract(path: Path) -> SymbolContract | None:
    """What the metadata of the package says; None when it says nothing. Raises PackageError, InvalidContractError."""
    fd = open_package(path)
    try:
        source = Source(fd, str(path))
        if path.name.endswith(GPKG_SUFFIX):
            metadata = read_metadata(source, read_container(source), _METADATA)
        else:
            metadata = read_xpak(source, _METADATA)
        text = as_text(str(path), metadata).get(KEY, "")
    finally:
        os.close(fd)
    return SymbolContract.parse(text) if text else None


def computed_contract(path: Path) -> SymbolContract:
    """What the image of the gpkg at ``path`` says. Raises PackageError."""
    fd = open_package(path)
    try:
        source = Source(fd, str(path))
        container = read_container(source)
        metadata = as_text(str(path), read_metadata(source, container, _METADATA))
        return contract_of_image(source, container, metadata.get("EPREFIX", ""))
    finally:
        os.close(fd)


def contract_of_image(source: Source, container: Container, eprefix: str = "") -> SymbolContract:
    """The contract of the image in an open gpkg. Raises PackageError."""
    objects = Objects()
    stream = decompressed_image(source, container)
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|") as archive:
            for count, member in enumerate(archive):
                if count >= limits.IMAGE_MEMBERS:
                    raise OversizedPackageError(source.name, f"an image of more than {limits.IMAGE_MEMBERS} members")
                file = archive.extractfile(member) if member.isreg() else None
                if file is not None:
                    # Members lie below "image/", whatever the container's own name is.
                    _take(objects, "/" + member.name.removeprefix("./").partition("/")[2], file, member.size, eprefix)
    except (tarfile.TarError, ValueError) as error:
        raise MalformedPackageError(source.name, f"image: {error}") from error
    except (zstandard.ZstdError, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        raise DecompressionError(source.name, f"image: {error}") from error
    return objects.contract(eprefix=eprefix)


def _take(objects: Objects, path: str, file: IO[bytes], size: int, eprefix: str) -> None:
    path = posixpath.normpath(path)
    if announces(path, eprefix):
        objects.announce(path, file.read(limits.LOADER_CONF_SIZE), eprefix)
        return
    head = file.read(len(MAGIC))
    if head != MAGIC or size > limits.ELF_SIZE:
        return
    if size <= limits.ELF_IN_MEMORY:
        objects.add(path, head + file.read())
        return
    with tempfile.TemporaryFile(prefix="portage-ext.") as copy:
        copy.write(head)
        shutil.copyfileobj(file, copy, limits.READ_BLOCK)
        copy.flush()
        with mmap.mmap(copy.fileno(), 0, prot=mmap.PROT_READ) as data:
            objects.add(path, data)


def decompressed_image(source: Source, container: Container) -> _Counted:
    """The image archive of an open gpkg, as something to read from, within the bound. Raises DecompressionError."""
    return _Counted(_decompressed(source, container), source.name)


def _decompressed(source: Source, container: Container) -> Any:
    image = container.image
    raw = io.BufferedReader(_Slice(source, image.member.offset, image.member.size), limits.READ_BLOCK)
    if image.method == "none":
        return raw
    if image.method == "zstd":
        decompressor = zstandard.ZstdDecompressor(max_window_size=limits.ZSTD_WINDOW)
        return decompressor.stream_reader(raw, read_across_frames=True)
    if image.method == "gzip":
        return gzip.GzipFile(fileobj=raw)
    if image.method == "bzip2":
        return bz2.BZ2File(raw)
    if image.method == "xz":
        return lzma.LZMAFile(raw)
    raise DecompressionError(source.name, f"an image compressed by {image.method} is not read here")


class _Slice(io.RawIOBase):
    """``size`` bytes of a package from ``offset`` on, as a file."""

    def __init__(self, source: Source, offset: int, size: int) -> None:
        self._source = source
        self._at = offset
        self._end = offset + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), self._end - self._at)
        if size:
            buffer[:size] = self._source.read(self._at, size)
            self._at += size
        return size


class _Counted:
    """What comes out of a decompressor, as long as it stays within the bound."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._name = name
        self._total = 0

    def read(self, size: int) -> bytes:
        data = bytes(self._stream.read(size))
        self._total += len(data)
        if self._total > limits.IMAGE_SIZE:
            raise OversizedPackageError(self._name, f"an image of more than {limits.IMAGE_SIZE} bytes")
        return data
