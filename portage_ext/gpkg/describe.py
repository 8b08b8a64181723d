"""A description of one package file for people: metadata, image, digests, and the signed text for a signature check."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext.errors import PackageError
from portage_ext.gpkg.container import Container, check_members, read_container, read_metadata
from portage_ext.gpkg.identity import as_text
from portage_ext.gpkg.image import gpkg_image, strays, xpak_image
from portage_ext.gpkg.source import Source, open_package
from portage_ext.gpkg.xpak import read_xpak
from portage_ext.model import GPKG_SUFFIX
from portage_ext.model.contract import KEY as CONTRACT

KEYS: Final = (
    "CATEGORY", "PF", "SLOT", "repository", "EAPI", "BUILD_ID", "BUILD_TIME", "SIZE", "CHOST", "CFLAGS", "CXXFLAGS", "LDFLAGS",
    "IUSE", "USE", "KEYWORDS", "LICENSE", "RESTRICT", "PROPERTIES", "FEATURES", "DEPEND", "BDEPEND", "RDEPEND", "PDEPEND",
    "IDEPEND", "REQUIRES", "PROVIDES", CONTRACT,
)  # fmt: skip
"""The metadata values that are shown. The build environment and lists of files are left out."""


@dataclass(frozen=True, slots=True)
class Described:
    """A package file: its size in bytes, metadata values by name, and its parts. ``signed`` is the clear-signed Manifest, empty
    if it is not signed. ``damage`` says what does not match the Manifest."""

    path: Path
    size: int
    values: dict[str, str]
    members: dict[str, int]
    signed: bytes = b""
    damage: str = ""


def describe(path: Path) -> Described:
    """Describe the package at ``path``. Raises PackageError if it is not a package."""
    fd = open_package(path)
    try:
        source = Source(fd, str(path))
        if not path.name.endswith(GPKG_SUFFIX):
            return Described(path, source.size, as_text(str(path), read_xpak(source, frozenset(KEYS))), {})
        container = read_container(source)
        values = as_text(str(path), read_metadata(source, container, frozenset(KEYS)))
        members = {name: member.size for name, member in container.members.items()}
        signed = container.manifest_data if container.manifest.signature is not None else b""
        return Described(path, source.size, values, members, signed, _damage(source, container))
    finally:
        os.close(fd)


def values_of(path: Path, keys: frozenset[str]) -> dict[str, str]:
    """The metadata values ``keys`` of the package at ``path``, as far as it has them. Raises PackageError."""
    fd = open_package(path)
    try:
        source, gpkg = Source(fd, str(path)), path.name.endswith(GPKG_SUFFIX)
        found = read_metadata(source, read_container(source), keys) if gpkg else read_xpak(source, keys)
        return as_text(str(path), found)
    finally:
        os.close(fd)


def _damage(source: Source, container: Container) -> str:
    try:
        check_members(source, container, image=True)
    except PackageError as error:
        return error.reason
    return ""


def files(path: Path) -> Iterator[tuple[str, int]]:
    """Each file that the package at ``path`` would install, with its size (of a link: 0). Raises PackageError."""
    fd = open_package(path)
    try:
        source = Source(fd, str(path))
        gpkg = path.name.endswith(GPKG_SUFFIX)
        for name, member, _ in gpkg_image(source, read_container(source)) if gpkg else xpak_image(source):
            if not member.isdir():
                yield name, member.size
    finally:
        os.close(fd)


def stray(path: Path) -> str:
    """The name of the first member in the image of the gpkg at ``path`` that leads out of the image; empty if all are in it.

    Portage would not install it. Everything in the image is decompressed. Raises PackageError.
    """
    fd = open_package(path)
    try:
        source = Source(fd, str(path))
        return next(strays(source, read_container(source)), "")
    finally:
        os.close(fd)
