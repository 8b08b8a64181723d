"""From METADATA of a wheel or PKG-INFO of a source archive, only the fields that an ebuild needs are read, each with a limit.

Core metadata (packaging.python.org, "Core metadata specifications") has header fields as in e-mail, then the description, which
is not read. The dependencies in a source archive are used only if it declares them as fixed (metadata 2.2 and no ``Dynamic``
field, PEP 643).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from portage_ext.errors.pypi import InvalidMetadataError, InvalidNameError
from portage_ext.limits import repositories as limits
from portage_ext.repositories.pypi.names import normalised

_FIELD: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,40}):(.*)", re.S)
_LONG: Final = frozenset({"description", "license"})
"""Fields in which some projects put a whole document. Only their start is read; any other field that is too long is refused."""
_EMAIL: Final = frozenset({"author-email", "maintainer-email"})
_DEPENDING: Final = frozenset({"requires-dist", "requires-python", "provides-extra"})


@dataclass(frozen=True, slots=True)
class CoreMetadata:
    """The metadata of a project. ``urls`` are pairs (label, URL). All texts are unchecked."""

    name: str
    """The name as the project writes it."""
    version: Version
    summary: str
    urls: tuple[tuple[str, str], ...]
    expression: str
    """The field License-Expression."""
    licence: str
    """The field License, which is free text."""
    classifiers: tuple[str, ...]
    requires_python: SpecifierSet
    requirements: tuple[Requirement, ...]
    extras: frozenset[str]
    """The normalised names of the extras."""
    fixed: bool
    """Whether the dependencies in a source archive are valid for every build of it."""


def parse(data: bytes, project: str) -> CoreMetadata:
    """Parse METADATA or PKG-INFO of the normalised ``project``. Raises InvalidMetadataError."""
    fields: dict[str, list[str]] = {}
    for name, value in _fields(data, project):
        fields.setdefault(name, []).append(value)

    def one(key: str) -> str:
        values = fields.get(key, [""])
        if len(values) > 1:
            raise InvalidMetadataError(project, f"it has the field {key} twice")
        return values[0]

    try:
        name, version = one("name"), Version(one("version")[: limits.PYPI_VERSION])
        if normalised(name) != project:
            raise InvalidMetadataError(project, f"it is of another project, {name[: limits.PYPI_NAME]!r}")
        requires_python = SpecifierSet(one("requires-python")[: limits.PYPI_REQUIREMENT])
        extras = frozenset(_extras(fields.get("provides-extra", [])))
    except (InvalidVersion, InvalidSpecifier, InvalidNameError) as error:
        raise InvalidMetadataError(project, str(error)) from error
    labelled = [
        (label.strip(), url.strip()) for label, comma, url in (text.partition(",") for text in fields.get("project-url", []))
    ]
    home = one("home-page")
    return CoreMetadata(
        name=name,
        version=version,
        summary=one("summary"),
        urls=(*((("Homepage", home),) if home else ()), *labelled),
        expression=one("license-expression"),
        licence=one("license"),
        classifiers=tuple(fields.get("classifier", ())),
        requires_python=requires_python,
        requirements=tuple(_requirements(fields.get("requires-dist", []), project)),
        extras=extras,
        fixed=_fixed(one("metadata-version"), fields.get("dynamic", [])),
    )


def head(data: bytes) -> bytes:
    """The header fields of METADATA without the description, to be saved."""
    return data[: match.start()] + b"\n" if (match := re.search(rb"\r?\n\r?\n", data)) else data


def _fields(data: bytes, project: str) -> Iterator[tuple[str, str]]:
    """Yield the header fields with names in lower case. Raises InvalidMetadataError."""
    if len(data) > limits.PYPI_METADATA:
        raise InvalidMetadataError(project, f"it has more than {limits.PYPI_METADATA} bytes")
    texts: list[list[str]] = []
    for line in head(data).decode("utf-8", "replace").splitlines():
        if line[:1] in (" ", "\t") and texts:
            texts[-1].append(line.strip())
        elif line.strip():
            texts.append([line])
        if len(texts) > limits.PYPI_HEADERS:
            raise InvalidMetadataError(project, f"it has more than {limits.PYPI_HEADERS} fields")
    for parts in texts:
        match = _FIELD.fullmatch("\n".join(parts))
        if match is None:
            raise InvalidMetadataError(project, f"{parts[0][:80]!r} is no field")
        name, value = match[1].lower(), match[2].strip()
        if len(value) > limits.PYPI_HEADER:
            if name not in _LONG | _EMAIL:
                raise InvalidMetadataError(project, f"its field {name} has {len(value)} characters")
            value = value[: limits.PYPI_HEADER]
        if name not in _EMAIL:
            yield name, "" if value == "UNKNOWN" else value


def _requirements(texts: list[str], project: str) -> Iterator[Requirement]:
    if len(texts) > limits.PYPI_REQUIREMENTS:
        raise InvalidMetadataError(project, f"it has {len(texts)} dependencies")
    for text in texts:
        if len(text) > limits.PYPI_REQUIREMENT:
            raise InvalidMetadataError(project, f"a dependency of {len(text)} characters: {text[:60]!r}")
        try:
            yield Requirement(text)
        except (InvalidRequirement, RecursionError, ValueError) as error:
            raise InvalidMetadataError(project, f"{text[:80]!r} is no dependency (PEP 508)") from error


def _extras(texts: list[str]) -> Iterator[str]:
    for text in texts:
        # Old metadata has conditions and other text here. Such an extra cannot be requested, so it is ignored.
        with contextlib.suppress(InvalidNameError):
            yield normalised(text)


def _fixed(version: str, dynamic: list[str]) -> bool:
    numbers = re.fullmatch(r"([0-9]{1,3})\.([0-9]{1,3})", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < (2, 2):
        return False
    return _DEPENDING.isdisjoint(one.lower() for one in dynamic)
