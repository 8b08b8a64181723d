"""The identity of a package comes from its metadata. A path or an index entry only repeats it, and is compared with it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.errors import InvalidCpvError, MalformedPackageError, MissingMetadataError, OversizedPackageError
from portage_ext.gpkg.container import check_members, read_container, read_metadata
from portage_ext.gpkg.source import Source, open_package
from portage_ext.gpkg.xpak import read_xpak
from portage_ext.model import GPKG_SUFFIX, Cpv
from portage_ext.records import record

IDENTITY_KEYS: Final = frozenset(("CATEGORY", "PF", "SLOT", "BUILD_ID", "BUILD_TIME", "repository", "EAPI"))


@record
class Identity:
    """The values that identify a binary package. ``slot`` includes a sub-slot after a slash."""

    cpv: Cpv
    slot: str
    build_id: int | None
    build_time: int | None
    repository: str | None


def as_text(name: str, metadata: Mapping[str, bytes]) -> dict[str, str]:
    """Convert metadata to the values in Portage's index: UTF-8 with replacement, each run of white space becomes one blank.

    Raises OversizedPackageError for a value over the limit; ``name`` is the file name for the error.
    """
    texts: dict[str, str] = {}
    for key, value in metadata.items():
        if len(value) > limits.METADATA_VALUE:
            raise OversizedPackageError(name, f"{key} has more than {limits.METADATA_VALUE} bytes")
        texts[key] = " ".join(value.decode("utf-8", "replace").split())
    return texts


def read_texts(path: Path, wanted: frozenset[str]) -> dict[str, str]:
    """Read the metadata values in ``wanted`` of the package at ``path``, as far as it has them. Raises PackageError."""
    fd = open_package(path)
    try:
        source = Source(fd, str(path))
        if path.name.endswith(GPKG_SUFFIX):
            return as_text(str(path), read_metadata(source, read_container(source), wanted))
        return as_text(str(path), read_xpak(source, wanted))
    finally:
        os.close(fd)


def _build_time(text: str) -> int | None:
    try:
        return int(text) if text else None
    except ValueError:
        return -1  # Portage uses -1 too; an unusual number is no reason to refuse the package


def identity_of(name: str, values: Mapping[str, str]) -> Identity:
    """Take the identity from metadata values (:func:`as_text`). Raises MissingMetadataError, MalformedPackageError."""
    missing = [key for key in ("CATEGORY", "PF", "SLOT") if not values.get(key)]
    if missing:
        raise MissingMetadataError(name, f"the metadata has no {', '.join(missing)}")
    try:
        cpv = Cpv.parse(f"{values['CATEGORY']}/{values['PF']}")
    except InvalidCpvError as error:
        raise MalformedPackageError(name, f"metadata: {error}") from error
    build_id = values.get("BUILD_ID", "")
    try:
        number = int(build_id) if build_id else None
    except ValueError:
        raise MalformedPackageError(name, f"BUILD_ID is {build_id!r}") from None
    return Identity(cpv, values["SLOT"], number, _build_time(values.get("BUILD_TIME", "")), values.get("repository") or None)


def read_identity(path: Path, *, image: bool = False) -> Identity:
    """Read the identity of the package at ``path`` after checking its digests, also that of the image if ``image`` is True.

    Signatures are not checked. Raises PackageError.
    """
    fd = open_package(path)
    try:
        source = Source(fd, str(path))
        if path.name.endswith(GPKG_SUFFIX):
            container = read_container(source)
            check_members(source, container, image=image)
            metadata = read_metadata(source, container, IDENTITY_KEYS)
        else:
            metadata = read_xpak(source, IDENTITY_KEYS)
        source.unchanged()
        return identity_of(str(path), as_text(str(path), metadata))
    finally:
        os.close(fd)
