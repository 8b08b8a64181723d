"""The text of a Release has one canonical form, so that two programs cannot read it in two ways.

``parse`` refuses every text that ``emit`` would not write: order, spacing, digits, case and the final newline are all fixed.
The text is ASCII, every line has one meaning, and unknown lines are refused.

::

    Format: portage-ext-release-1
    Repository: 6f1c…
    Channel: production
    Version: 42
    Created: 2026-11-20T13:00:00Z
    Expires: 2026-12-20T13:00:00Z
    Keys-Next: 0123…CDEF
    Index: Packages 123456 BLAKE2B … SHA512 …
    Index: Packages.gz 23456 BLAKE2B … SHA512 …
"""

from __future__ import annotations

from typing import Final

from portage_ext import limits
from portage_ext.errors.trust import MalformedReleaseError
from portage_ext.model.release import DIGEST, FINGERPRINT, INDEX_FORMS, NAME, PLAIN_FORM, IndexFile, Release
from portage_ext.trust.lines import NUMBER, Lines, timestamp

RELEASE_NAME: Final = "Release"
SIGNATURE_NAME: Final = "Release.asc"
FORMAT: Final = "portage-ext-release-1"


def emit(release: Release) -> bytes:
    """The canonical text of ``release``."""
    lines = [
        f"Format: {FORMAT}",
        f"Repository: {release.repository}",
        f"Channel: {release.channel}",
        f"Version: {release.version}",
        f"Created: {timestamp(release.created)}",
        f"Expires: {timestamp(release.expires)}",
    ]
    if release.keys_next:
        lines.append(f"Keys-Next: {' '.join(release.keys_next)}")
    lines += [f"Index: {file.name} {file.size} BLAKE2B {file.blake2b} SHA512 {file.sha512}" for file in release.files]
    return ("\n".join(lines) + "\n").encode("ascii")


def parse(data: bytes, where: str = "Release") -> Release:
    """Parse the text of a Release. ``where`` is used in error messages. Raises MalformedReleaseError."""
    reader = Lines(data, limits.MAX_RELEASE_SIZE, where, "Release", MalformedReleaseError)
    if reader.value("Format") != FORMAT:
        raise MalformedReleaseError(where, f"the Release is not of the format {FORMAT}")
    repository = reader.matching("Repository", NAME)
    channel = reader.matching("Channel", NAME)
    version = reader.number("Version")
    created = reader.seconds("Created")
    expires = reader.seconds("Expires")
    keys = tuple(reader.value("Keys-Next").split(" ")) if reader.follows("Keys-Next") else ()
    files = []
    while reader.follows("Index"):
        files.append(_index_file(reader.value("Index"), where))
    release = Release(repository, channel, version, created, expires, keys, tuple(files))
    _check(release, where)
    if emit(release) != data:
        raise MalformedReleaseError(where, "the Release is not in its canonical form")
    return release


def _check(release: Release, where: str) -> None:
    if not 1 <= release.version <= limits.MAX_RELEASE_VERSION:
        raise MalformedReleaseError(where, f"version {release.version} is out of range")
    if not 0 < release.expires - release.created <= limits.MAX_RELEASE_VALIDITY:
        raise MalformedReleaseError(where, "the Release expires before it was created, or more than 400 days after")
    if len(release.keys_next) > limits.MAX_KEYS_NEXT or not all(map(FINGERPRINT.fullmatch, release.keys_next)):
        raise MalformedReleaseError(where, "Keys-Next is not a short list of fingerprints")
    names = [file.name for file in release.files]
    if PLAIN_FORM not in names or len(set(names)) != len(names) or not set(names) <= set(INDEX_FORMS):
        raise MalformedReleaseError(where, f"the Release must name {PLAIN_FORM}, and each form of the index once")


def _index_file(text: str, where: str) -> IndexFile:
    words = text.split(" ")
    match words:
        case [name, size, "BLAKE2B", blake2b, "SHA512", sha512] if (
            NUMBER.fullmatch(size) and DIGEST.fullmatch(blake2b) and DIGEST.fullmatch(sha512)
        ):
            return IndexFile(name, int(size), blake2b, sha512)
    raise MalformedReleaseError(where, "an Index line is not `name size BLAKE2B digest SHA512 digest`")
