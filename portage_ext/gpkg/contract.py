"""The contract of a package (which library symbols it needs and provides) is read from its metadata or computed from its image.

The image is decompressed as a stream, and only one ELF object at a time is kept, a large one in a temporary file.
"""

from __future__ import annotations

import mmap
import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from portage_ext import limits
from portage_ext.elf.reader import MAGIC
from portage_ext.elf.tree import Objects, announces
from portage_ext.gpkg.container import Container, read_container, read_metadata
from portage_ext.gpkg.identity import as_text, read_texts
from portage_ext.gpkg.image import Content, Member, gpkg_image, xpak_image
from portage_ext.gpkg.source import Source, open_package
from portage_ext.gpkg.xpak import read_xpak
from portage_ext.model import GPKG_SUFFIX
from portage_ext.model.contract import KEY, SymbolContract

_METADATA = frozenset((KEY, "EPREFIX"))


def stored_contract(path: Path) -> SymbolContract | None:
    """Read the contract in the metadata of the package; None if there is none. Raises PackageError, InvalidContractError."""
    text = read_texts(path, _METADATA).get(KEY, "")
    return SymbolContract.parse(text) if text else None


def computed_contract(path: Path) -> SymbolContract:
    """Compute the contract from the image in the package at ``path``. Raises PackageError."""
    fd = open_package(path)
    try:
        source = Source(fd, str(path))
        if not path.name.endswith(GPKG_SUFFIX):
            return contract_of_xpak(source, as_text(str(path), read_xpak(source, _METADATA)).get("EPREFIX", ""))
        container = read_container(source)
        metadata = as_text(str(path), read_metadata(source, container, _METADATA))
        return contract_of_image(source, container, metadata.get("EPREFIX", ""))
    finally:
        os.close(fd)


def contract_of_image(source: Source, container: Container, eprefix: str = "") -> SymbolContract:
    """Compute the contract from the image in an open gpkg. Raises PackageError."""
    return _contract(gpkg_image(source, container), eprefix)


def contract_of_xpak(source: Source, eprefix: str = "") -> SymbolContract:
    """Compute the contract from the image at the beginning of an open xpak package. Raises PackageError."""
    return _contract(xpak_image(source), eprefix)


def _contract(image: Iterable[Member], eprefix: str) -> SymbolContract:
    objects = Objects()
    for name, member, file in image:
        path = posixpath.normpath(name)
        objects.forget(path)
        if file is not None:
            _take(objects, path, file, member.size, eprefix)
        elif member.issym():
            objects.link(path, member.linkname)
        elif member.islnk():
            objects.same(path, posixpath.normpath(member.linkname))
    return objects.contract(eprefix=eprefix).portable(eprefix)


def _take(objects: Objects, path: str, file: Content, size: int, eprefix: str) -> None:
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
