"""A gpkg is one directory of plain files that its Manifest lists completely (GLEP 78); anything else is refused.

It is stricter than Portage for content that no builder produces: links and devices, a second image or metadata archive, and
data after the end of the archive (docs/adr/0301-what-reindex-leaves-out.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from portage_ext import limits
from portage_ext.errors import (
    DecompressionError,
    DigestMismatchError,
    MalformedPackageError,
    OversizedPackageError,
    TruncatedPackageError,
)
from portage_ext.gpkg.compression import BadStreamError, BombError, decompress, method_of
from portage_ext.gpkg.manifest import Manifest, ManifestError, Record, parse_manifest
from portage_ext.gpkg.source import Source
from portage_ext.gpkg.tar import Member, TarError, TarTruncatedError, members, read_values, whole_members
from portage_ext.model import Hasher
from portage_ext.records import record

VERSION_FILE: Final = "gpkg-1"
SIGNATURE_SUFFIX: Final = ".sig"
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*/[A-Za-z0-9_][A-Za-z0-9._+-]*")
"""The directory of a package (its name is a PF, PMS 3.1.2) and a file in it."""
_FIRST: Final = re.compile(rb"[A-Za-z0-9._+/@-]{3,}")
"""The first bytes of a package: a name, or the name of a header that contains one. Portage lets ``tarfile`` test for gzip,
bzip2, xz and lzma first. None of these begins in this way, so no reader can see a different archive in the same bytes."""


@record
class InnerArchive:
    """``metadata.tar.*`` or ``image.tar.*``: where it is and how it is compressed (a value of compression.SUFFIXES)."""

    member: Member
    method: str


@record
class Container:
    """The structure of one gpkg. ``members`` maps the name of each member, without the directory ``prefix``, to the member."""

    prefix: str
    members: Mapping[str, Member]
    metadata: InnerArchive
    image: InnerArchive
    manifest: Manifest
    manifest_data: bytes
    signed: bool
    """True if the Manifest or any member is signed. Portage then requires that all signatures are present and good."""


def _structure(source: Source) -> list[Member]:
    try:
        found = None if source.whole is None else whole_members(source.whole, limits.CONTAINER_MEMBERS)
        if found is None:
            found = list(members(source.read, source.size, limits.CONTAINER_MEMBERS))
        first = source.read(0, 100).partition(b"\0")[0]
    except TarTruncatedError as error:
        raise TruncatedPackageError(source.name, str(error)) from error
    except TarError as error:
        raise MalformedPackageError(source.name, str(error)) from error
    if not found:
        raise MalformedPackageError(source.name, "an empty archive")
    if not _FIRST.fullmatch(first):
        raise MalformedPackageError(source.name, f"begins with {first!r}, which Portage never writes")
    rest = source.size - found[-1].end
    if rest > limits.MIB:
        raise MalformedPackageError(source.name, f"{rest} bytes after the end of the archive")
    if rest > 0 and source.read(found[-1].end, rest) != bytes(rest):
        raise MalformedPackageError(source.name, "data after the end of the archive")
    return found


def _inner(source: Source, by_name: Mapping[str, Member], stem: str) -> InnerArchive:
    found = [
        InnerArchive(member, known[1])
        for name, member in by_name.items()
        if (known := method_of(name)) is not None and known[0] == stem
    ]
    if len(found) != 1:
        raise MalformedPackageError(source.name, f"{len(found) or 'no'} {stem} archive{'s' if found else ''}")
    return found[0]


def read_container(source: Source) -> Container:
    """Read the structure of the gpkg, and compare every name and size with its Manifest. Digests are not computed here.

    Raises PackageError.
    """
    by_name: dict[str, Member] = {}
    prefix: str | None = None
    for member in _structure(source):
        directory, _, name = member.name.partition("/")
        if not _NAME.fullmatch(member.name) or prefix not in (None, directory):
            raise MalformedPackageError(source.name, f"member {member.name!r} is not in the package's one directory")
        if name in by_name:
            raise MalformedPackageError(source.name, f"member {name!r} occurs twice")
        prefix = directory
        by_name[name] = member
    if VERSION_FILE not in by_name:
        raise MalformedPackageError(source.name, f"no {VERSION_FILE} member")
    place = by_name.get("Manifest")
    if place is None:
        raise MalformedPackageError(source.name, "no Manifest")
    if place.size > limits.MANIFEST_SIZE:
        raise OversizedPackageError(source.name, f"a Manifest of {place.size} bytes")
    data = source.read(place.offset, place.size)
    try:
        manifest = parse_manifest(data)
    except ManifestError as error:
        raise MalformedPackageError(source.name, f"Manifest: {error}") from error
    _compare(source, by_name, manifest.by_name())
    signed = manifest.signature is not None or any(name.endswith(SIGNATURE_SUFFIX) for name in by_name)
    return Container(
        prefix or "",
        by_name,
        _inner(source, by_name, "metadata"),
        _inner(source, by_name, "image"),
        manifest,
        data,
        signed,
    )


def _compare(source: Source, by_name: Mapping[str, Member], records: Mapping[str, Record]) -> None:
    for name, member in by_name.items():
        if name == "Manifest":
            continue
        record = records.get(name)
        if record is None:
            raise DigestMismatchError(source.name, f"{name} is not in the Manifest")
        if record.size != member.size:
            raise DigestMismatchError(source.name, f"{name} has {member.size} bytes, the Manifest says {record.size}")
    missing = records.keys() - by_name.keys()
    if missing:
        raise DigestMismatchError(source.name, f"the Manifest lists {', '.join(sorted(missing))}, which is missing")


def check_members(source: Source, container: Container, *, image: bool) -> None:
    """Compare the digests of the members with the Manifest; those of the image and its signature only if ``image`` is True.

    Portage does not hash images either when it makes the index. Raises DigestMismatchError and other PackageErrors.
    """
    for name, member, said in covered(container, image=image):
        hasher = Hasher()
        for block in source.blocks(member.offset, member.offset + member.size):
            hasher.update(block)
        if hasher.values() != {"BLAKE2B": said.blake2b, "SHA512": said.sha512}:
            raise DigestMismatchError(source.name, f"{name} does not match the Manifest")


def covered(container: Container, *, image: bool) -> Iterator[tuple[str, Member, Record]]:
    """The members whose digests :func:`check_members` compares, and what the Manifest says of each."""
    records = container.manifest.by_name()
    for name, member in container.members.items():
        if name != "Manifest" and (image or not name.startswith("image")):
            yield name, member, records[name]


def read_metadata(source: Source, container: Container, wanted: frozenset[str] | None = None) -> dict[str, bytes]:
    """Read the metadata files of a gpkg whose names are in ``wanted`` (None: all), by name. Raises PackageError."""
    archive = container.metadata
    if archive.member.size > limits.METADATA_COMPRESSED:
        raise OversizedPackageError(source.name, f"metadata of {archive.member.size} bytes")
    try:
        data = decompress(source.read(archive.member.offset, archive.member.size), archive.method)
    except BombError as error:
        raise OversizedPackageError(source.name, f"metadata: {error}") from error
    except BadStreamError as error:
        raise DecompressionError(source.name, f"metadata: {error}") from error
    try:
        return read_values(data, "metadata/", wanted)
    except TarError as error:
        raise MalformedPackageError(source.name, f"metadata: {error}") from error
