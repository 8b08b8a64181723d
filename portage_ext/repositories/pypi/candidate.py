"""A candidate is one release of a project with everything that decides the text of its ebuild.

It can be saved as text and read back, so that a later sync fetches only new releases from the index.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from packaging.requirements import Requirement

from portage_ext.errors.pypi import CargoError, InvalidMetadataError, NativeCodeError, NoReleaseError, UnknownLicenceError
from portage_ext.repositories.pypi import names
from portage_ext.repositories.pypi.names import Names
from portage_ext.repositories.pypi.published import metadata
from portage_ext.repositories.pypi.published.metadata import CoreMetadata
from portage_ext.repositories.pypi.published.page import File
from portage_ext.repositories.pypi.written import ebuild, licences, targets
from portage_ext.repositories.pypi.written.backends import Build
from portage_ext.repositories.pypi.written.dependencies import Provider, Resolve, lines
from portage_ext.repositories.pypi.written.licences import Licence
from portage_ext.repositories.pypi.written.requirements import Need, Needs, needs
from portage_ext.repositories.pypi.written.source import source
from portage_ext.repositories.pypi.written.versions import pms


@dataclass(frozen=True, slots=True)
class Candidate:
    """A release: its source archive ``file`` with size in bytes, BLAKE2B and SHA512, the fields of METADATA, and how it is
    built."""

    project: str
    file: File
    size: int
    blake2b: str
    sha512: str
    directory: str
    native: bool
    cargo: bool
    build: Build
    head: bytes
    metadata: CoreMetadata

    @property
    def pv(self) -> str:
        return pms(self.metadata.version)

    @property
    def titled(self) -> str:
        """Name and version, for messages."""
        return f"{self.project} {self.metadata.version}"

    @property
    def distfile(self) -> tuple[str, int, str, str]:
        return self.file.name, self.size, self.blake2b, self.sha512

    def kept(self) -> dict[str, Any]:
        """The candidate as a JSON value for :func:`read_back`."""
        return {
            "file": [self.file.name, self.file.url, self.file.sha256],
            "size": self.size,
            "blake2b": self.blake2b,
            "sha512": self.sha512,
            "directory": self.directory,
            "native": self.native,
            "cargo": self.cargo,
            "build": [self.build.backend, [str(one) for one in self.build.requirements], self.build.compiling],
            "metadata": self.head.decode("utf-8", "replace"),
        }


def read_back(project: str, kept: Mapping[str, Any]) -> Candidate:
    """Parse the value from :meth:`Candidate.kept`. Raises InvalidMetadataError if it is damaged."""
    try:
        head = kept["metadata"].encode()
        backend, requirements, compiling = kept["build"]
        return Candidate(
            project, File(*kept["file"]), kept["size"], kept["blake2b"], kept["sha512"], kept["directory"],
            kept["native"], kept["cargo"], Build(backend, tuple(map(Requirement, requirements)), compiling),
            head, metadata.parse(head, project),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidMetadataError(project, "what was remembered of it is damaged") from error


@dataclass(frozen=True, slots=True)
class Terms:
    """Settings for making ebuilds. With ``person``, somebody will check the result, so an unknown value becomes a note in the
    ebuild; without it, the project is refused."""

    targets: tuple[str, ...] = targets.DEFAULT
    licences: Mapping[str, str] = field(default_factory=lambda: licences.BUILT_IN)
    names: Names = field(default_factory=Names)
    keywords: str = "~amd64"
    default_index: bool = True
    person: bool = False
    head: tuple[str, ...] = ()


def compatible(candidate: Candidate, terms: Terms) -> tuple[str, ...]:
    """The targets for PYTHON_COMPAT. Raises NoReleaseError."""
    found = targets.compatible(terms.targets, candidate.metadata.requires_python)
    if not found:
        raise NoReleaseError(
            candidate.titled,
            f"it wants Python {candidate.metadata.requires_python}, and the repositories have {targets.words(terms.targets)}",
        )
    return found


def wanted(candidate: Candidate, terms: Terms, extras: frozenset[str]) -> Needs:
    """The runtime dependencies of a release, separately for the requested ``extras``. Raises ProjectError."""
    return needs(candidate.metadata.requirements, compatible(candidate, terms), extras, candidate.project)


def wanted_to_build(candidate: Candidate, terms: Terms) -> tuple[Need, ...]:
    """The build dependencies that distutils-r1.eclass does not add. Raises ProjectError."""
    return needs(candidate.build.requirements, compatible(candidate, terms), (), candidate.project).needs


def draft(candidate: Candidate, terms: Terms, extras: frozenset[str], resolve: Resolve) -> ebuild.Draft:
    """Make the ebuild of a release. Raises ProjectError with the reason if that is not possible."""
    native = candidate.native or candidate.build.compiling
    if candidate.cargo:
        raise CargoError(candidate.titled)
    known = terms.names.native.get(candidate.project)
    if native and known is None and not terms.person:
        raise NativeCodeError(candidate.titled)
    python = compatible(candidate, terms)
    found = wanted(candidate, terms, extras)
    licence = _licence(candidate, terms)
    notes = [*found.notes]
    if licence.note:
        notes.append(f"LICENSE: {licence.note}")
    if native and known is None:
        notes.append("it compiles native code: find the libraries that it needs, and put them into DEPEND and RDEPEND")
    if candidate.build.backend == "standalone":
        notes.append("its build backend is in the archive itself: look whether it needs more to be built")
    if untested := targets.unnamed(python, candidate.metadata.classifiers):
        notes.append(f"the project does not name {targets.words(untested)}: test it there, or take it out of PYTHON_COMPAT")
    package = terms.names.package(candidate.project)
    libraries = tuple(f"\t{one}" for one in sorted(known or ()))
    flags = tuple(sorted(names.flag(candidate.project, one) for one in extras))
    return ebuild.Draft(
        package=package,
        pv=candidate.pv,
        metadata=candidate.metadata,
        source=source(candidate.file, candidate.directory, package, candidate.pv, default_index=terms.default_index),
        backend=candidate.build.backend,
        native=native,
        python=python,
        licence=licence.words,
        keywords=terms.keywords,
        flags=flags,
        rdepend=(*libraries, *lines(found.needs, python, resolve)),
        depend=libraries,
        bdepend=lines(wanted_to_build(candidate, terms), python, resolve),
        notes=tuple(notes),
        head=terms.head,
    )


def _licence(candidate: Candidate, terms: Terms) -> Licence:
    try:
        return licences.licence(candidate.metadata, terms.licences)
    except UnknownLicenceError as error:
        if not terms.person:
            raise
        return Licence("", error.why)


def provider(candidate: Candidate, terms: Terms, extras: frozenset[str], repository: str) -> Provider:
    """The candidate as a package on which others can depend."""
    flags = {one: names.flag(candidate.project, one) for one in extras}
    return Provider(terms.names.package(candidate.project), (candidate.pv,), repository, flags)


def as_text(kept: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The file of a repository with the candidates by project. The same candidates give the same bytes."""
    return (json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=True) + "\n").encode()
