"""The text of a Release: one canonical form, so that two readers cannot see two things in it.

What ``emit`` would not write, ``parse`` refuses: order, spacing, digits, case and the final newline are all part of
the form. Only ASCII occurs, every line has one meaning, and no line is optional by being unknown.

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

import calendar
import re
import time
from typing import Final

from portage_ext import limits
from portage_ext.errors.trust import MalformedReleaseError
from portage_ext.model.release import FINGERPRINT, INDEX_FORMS, PLAIN_FORM, IndexFile, Release

RELEASE_NAME: Final = "Release"
SIGNATURE_NAME: Final = "Release.asc"
FORMAT: Final = "portage-ext-release-1"

_TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,15}")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_DIGEST: Final = re.compile(r"[0-9a-f]{128}")


def emit(release: Release) -> bytes:
    """The canonical text of ``release``."""
    lines = [
        f"Format: {FORMAT}",
        f"Repository: {release.repository}",
        f"Channel: {release.channel}",
        f"Version: {release.version}",
        f"Created: {time.strftime(_TIME_FORMAT, time.gmtime(release.created))}",
        f"Expires: {time.strftime(_TIME_FORMAT, time.gmtime(release.expires))}",
    ]
    if release.keys_next:
        lines.append(f"Keys-Next: {' '.join(release.keys_next)}")
    lines += [f"Index: {file.name} {file.size} BLAKE2B {file.blake2b} SHA512 {file.sha512}" for file in release.files]
    return ("\n".join(lines) + "\n").encode("ascii")


def parse(data: bytes, where: str = "Release") -> Release:
    """Read the text of a Release; ``where`` is named in the error. Raises MalformedReleaseError."""
    if len(data) > limits.MAX_RELEASE_SIZE:
        raise MalformedReleaseError(where, f"the Release is larger than {limits.MAX_RELEASE_SIZE} bytes")
    try:
        lines = data.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise MalformedReleaseError(where, "the Release is not ASCII text") from None
    reader = _Lines(lines, where)
    if reader.value("Format") != FORMAT:
        raise MalformedReleaseError(where, f"the Release is not of the format {FORMAT}")
    repository = reader.matching("Repository", _NAME)
    channel = reader.matching("Channel", _NAME)
    version = int(reader.matching("Version", _NUMBER))
    created = _seconds(reader.matching("Created", _TIME), where)
    expires = _seconds(reader.matching("Expires", _TIME), where)
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


def _seconds(text: str, where: str) -> int:
    try:
        return calendar.timegm(time.strptime(text, _TIME_FORMAT))
    except ValueError:
        raise MalformedReleaseError(where, f"{text} is no time") from None


def _index_file(text: str, where: str) -> IndexFile:
    words = text.split(" ")
    match words:
        case [name, size, "BLAKE2B", blake2b, "SHA512", sha512] if (
            _NUMBER.fullmatch(size) and _DIGEST.fullmatch(blake2b) and _DIGEST.fullmatch(sha512)
        ):
            return IndexFile(name, int(size), blake2b, sha512)
    raise MalformedReleaseError(where, "an Index line is not `name size BLAKE2B digest SHA512 digest`")


class _Lines:
    """The lines of a Release, taken one by one in their order."""

    def __init__(self, lines: list[str], where: str) -> None:
        self._lines = lines
        self._where = where
        self._next = 0

    def follows(self, key: str) -> bool:
        return self._next < len(self._lines) and self._lines[self._next].startswith(f"{key}: ")

    def value(self, key: str) -> str:
        if not self.follows(key):
            raise MalformedReleaseError(self._where, f"the line `{key}:` is not where it belongs")
        self._next += 1
        return self._lines[self._next - 1][len(key) + 2 :]

    def matching(self, key: str, form: re.Pattern[str]) -> str:
        value = self.value(key)
        if not form.fullmatch(value):
            raise MalformedReleaseError(self._where, f"the line `{key}:` has a value that cannot be")
        return value
