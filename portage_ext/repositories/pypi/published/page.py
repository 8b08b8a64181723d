"""The page of a project on the index lists its files with digests, and which are yanked (PEP 691 JSON, PEP 503 HTML).

Every name, version and digest is parsed here once. A file with invalid values is ignored, because old projects have many of
them.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from portage_ext.errors.pypi import InvalidPageError
from portage_ext.limits import repositories as limits

ACCEPT: Final = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"
_FILENAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,250}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_ANCHOR: Final = re.compile(r"<a\s([^<>]{1,8192})>", re.I)
_ATTRIBUTE: Final = re.compile(r"([a-z-]{1,40})(?:=\"([^\"]{0,4096})\")?", re.I)
"""The attributes of links (PEP 503). This takes time in proportion to the page; Python's HTML parser can be made to take
hours."""
_WHOLE: Final = re.compile(r"(https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/[A-Za-z0-9._~:/+,;=%-]*)(?:#.*)?")
"""An ordinary absolute URL, as almost all are. Such a URL need not be parsed further."""
_URL: Final = re.compile(r"https?://[A-Za-z0-9._~:/?#\[\]@!&+,;=%-]+")


@dataclass(frozen=True, slots=True)
class File:
    """One file of a release. ``metadata`` is the SHA-256 of the METADATA beside it (PEP 658), "" where it is there without one,
    None where it is not; ``yanked`` the reason, None where it is not yanked."""

    name: str
    url: str
    sha256: str
    size: int | None = None
    yanked: str | None = None
    metadata: str | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """The files of one version."""

    version: Version
    sdist: File | None = None
    wheels: tuple[File, ...] = ()

    @property
    def yanked(self) -> str | None:
        """Why the release is yanked; None if at least one file is not yanked."""
        files = [one for one in (self.sdist, *self.wheels) if one is not None]
        return next((one.yanked for one in files), None) if all(one.yanked is not None for one in files) else None

    @property
    def pure(self) -> File | None:
        """A wheel for all platforms; None if there is none."""
        return next((one for one in self.wheels if one.name.endswith("-none-any.whl")), None)

    @property
    def native(self) -> bool:
        """Whether there are wheels and all of them are for specific platforms."""
        return bool(self.wheels) and self.pure is None


def parse(data: bytes, where: str, project: str) -> dict[Version, Release]:
    """The releases on the page ``data`` of the normalised ``project`` that came from the URL ``where``. Raises
    InvalidPageError."""
    if len(data) > limits.PYPI_PAGE:
        raise InvalidPageError(project, f"it has more than {limits.PYPI_PAGE} bytes")
    listed = _json(data, where, project) if data.lstrip()[:1] == b"{" else _html(data, where, project)
    sdists: dict[Version, File] = {}
    wheels: dict[Version, list[File]] = {}
    for number, file in enumerate(listed):
        if number > limits.PYPI_FILES:
            raise InvalidPageError(project, f"it lists more than {limits.PYPI_FILES} files")
        try:
            if file.name.endswith(".whl"):
                name, version, _, _ = parse_wheel_filename(file.name)
                if name == project:
                    wheels.setdefault(version, []).append(file)
            elif file.name.endswith(".tar.gz"):
                name, version = parse_sdist_filename(file.name)
                if name == project:
                    sdists.setdefault(version, file)
        except (InvalidSdistFilename, InvalidWheelFilename):
            continue
    versions = dict.fromkeys((*sdists, *wheels))
    return {one: Release(one, sdists.get(one), tuple(wheels.get(one, ()))) for one in versions}


def _file(name: object, url: object, where: str, sha256: object, size: object, yanked: object, metadata: object) -> File | None:
    """A file on the page; None if it cannot be used, because it has no digest or an unusual name or URL."""
    if not isinstance(name, str) or not isinstance(url, str) or len(url) > limits.PYPI_URL or not _FILENAME.fullmatch(name):
        return None
    full = _address(where, url)
    if full is None or not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        return None
    reason = None if yanked in (None, False) else yanked[: limits.PYPI_REQUIREMENT] if isinstance(yanked, str) else ""
    length = size if isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= limits.PYPI_SDIST * 16 else None
    digest = None
    if isinstance(metadata, Mapping):
        value = metadata.get("sha256")
        digest = value if isinstance(value, str) and _SHA256.fullmatch(value) else ""
    elif metadata is True:
        digest = ""
    return File(name, full, sha256, length, reason, digest)


def _address(where: str, url: str) -> str | None:
    """``url`` on the page ``where`` as an absolute URL without fragment; None if it is unusual."""
    if (match := _WHOLE.fullmatch(url)) is not None:
        return match[1]
    try:
        full = urljoin(where, url).partition("#")[0]
        return full if _URL.fullmatch(full) and "@" not in urlsplit(full).netloc else None
    except ValueError:
        return None


def _json(data: bytes, where: str, project: str) -> Iterator[File]:
    try:
        page = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidPageError(project, "it is no JSON") from error
    files = page.get("files") if isinstance(page, dict) else None
    if not isinstance(files, list):
        raise InvalidPageError(project, "it lists no files (PEP 691)")
    for one in files:
        if isinstance(one, dict):
            hashes = one.get("hashes")
            sha256 = hashes.get("sha256") if isinstance(hashes, dict) else None
            metadata = one.get("core-metadata", one.get("dist-info-metadata"))
            file = _file(one.get("filename"), one.get("url"), where, sha256, one.get("size"), one.get("yanked"), metadata)
            if file is not None:
                yield file


def _html(data: bytes, where: str, project: str) -> Iterable[File]:
    try:
        text = data.decode("utf-8")
    except ValueError as error:
        raise InvalidPageError(project, "it is no text") from error
    for anchor in _ANCHOR.finditer(text):
        one = {match[1].lower(): html.unescape(match[2] or "") for match in _ATTRIBUTE.finditer(anchor[1])}
        url, _, fragment = one.get("href", "").partition("#")
        kind, _, digest = fragment.partition("=")
        metadata = one.get("data-core-metadata") or one.get("data-dist-info-metadata")
        by = (
            {"sha256": metadata.removeprefix("sha256=")}
            if metadata and metadata.startswith("sha256=")
            else metadata is not None
        )
        yanked = one.get("data-yanked")
        file = _file(url.rpartition("/")[2], url, where, digest if kind == "sha256" else None, None, yanked, by)
        if file is not None:
            yield file
