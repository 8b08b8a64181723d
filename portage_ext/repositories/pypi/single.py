"""An ebuild for one project is made as a starting point for a person, and is put into an overlay with its Manifest.

Because a person checks the result, unknown values become comments in the ebuild and are not refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from portage_ext import files
from portage_ext.errors.pypi import OverlayError, ProjectError
from portage_ext.limits import repositories as limits
from portage_ext.repositories.pypi import candidate as candidates
from portage_ext.repositories.pypi.candidate import Candidate, Terms
from portage_ext.repositories.pypi.choice import choose
from portage_ext.repositories.pypi.index import Index
from portage_ext.repositories.pypi.names import normalised
from portage_ext.repositories.pypi.provided import Provided
from portage_ext.repositories.pypi.written import ebuild
from portage_ext.repositories.pypi.written.dependencies import Provider
from portage_ext.repositories.pypi.written.ebuild import Draft

_DIST: Final = re.compile(r"DIST (\S+) ([0-9]{1,18}) .*\bBLAKE2B ([0-9a-f]{128}) SHA512 ([0-9a-f]{128})\b.*")


@dataclass(frozen=True, slots=True)
class Made:
    """An ebuild with its release, and the projects that it needs but that no repository on this host has."""

    draft: Draft
    candidate: Candidate
    missing: tuple[str, ...]


def make(index: Index, asked: Requirement, terms: Terms, provided: Provided) -> Made:
    """Make the ebuild of the project in ``asked``. Raises ProjectError, MirrorError."""
    project = normalised(asked.name)
    release = choose(index.releases(project), asked.specifier, project)
    found = index.candidate(release, project)
    extras = frozenset(map(normalised, asked.extras))
    if unknown := sorted(extras - found.metadata.extras):
        has = ", ".join(sorted(found.metadata.extras)) or "none"
        raise ProjectError(found.titled, f"it has no extra {', '.join(unknown)}; it has: {has}")
    guessing = _Guessing(provided, terms, found)
    draft = candidates.draft(found, terms, extras, guessing.resolve)
    return Made(replace(draft, notes=(*draft.notes, *guessing.notes)), found, tuple(guessing.missing))


class _Guessing:
    """Finds a package name for each project. A guessed name is recorded in a note."""

    def __init__(self, provided: Provided, terms: Terms, found: Candidate) -> None:
        self._provided = provided
        self._terms = terms
        self._requirements = (*found.metadata.requirements, *found.build.requirements)
        self.notes: dict[str, None] = {}
        self.missing: dict[str, None] = {}

    def resolve(self, project: str) -> Provider:
        found = self._provided.provider(project)
        if found is None:
            found = Provider(self._terms.names.package(project))
            self.missing[project] = None
            self.notes[f"no repository here has {found.package}; make it, too, if you want this one"] = None
        flags = dict(found.flags)
        for extra in self._extras(project):
            if extra not in flags:
                flags[extra] = extra
                self.notes[f"its dependency {found.package} is wanted with the extra {extra}: look for the USE flag"] = None
        # A missing version in the repository is no reason to stop, because a person will check the result.
        versions = tuple(found.versions)
        return replace(found, flags=flags, versions=versions)

    def _extras(self, project: str) -> set[str]:
        return {
            normalised(extra) for one in self._requirements if canonicalize_name(one.name) == project for extra in one.extras
        }


def put(made: Made, overlay: Path, maintainer: str) -> list[Path]:
    """Write the ebuild, its Manifest, and metadata.xml if it does not exist, into ``overlay``. Returns the written files.

    Raises OverlayError, OSError.
    """
    if not (overlay / "profiles/repo_name").is_file() and not (overlay / "metadata/layout.conf").is_file():
        raise OverlayError(
            str(overlay), "it is no ebuild repository: it has neither profiles/repo_name nor metadata/layout.conf"
        )
    path = overlay / made.draft.path
    if path.exists():
        raise OverlayError(str(path), "it is there already, and was not changed; remove it first, or make a revision by hand")
    files.make_directory(path.parent)
    manifest = path.parent / "Manifest"
    written = [manifest, path]
    # Write the Manifest first, because emerge fails on an ebuild without one.
    write_manifest(manifest, made.candidate.distfile)
    files.replace_file(path, ebuild.text(made.draft).encode())
    description = path.parent / "metadata.xml"
    if not description.exists():
        files.replace_file(description, ebuild.package_xml(made.draft, maintainer).encode())
        written.append(description)
    return written


def write_manifest(manifest: Path, distfile: tuple[str, int, str, str]) -> None:
    """Add a distfile to a Manifest, or replace its entry. Raises OSError."""
    others, kept = _entries(manifest)
    kept[distfile[0]] = distfile
    files.replace_file(manifest, (others + ebuild.manifest(list(kept.values()))).encode())


def _entries(manifest: Path) -> tuple[str, dict[str, tuple[str, int, str, str]]]:
    """Parse a Manifest: the lines that are not changed, and the distfiles by name."""
    try:
        text = manifest.read_bytes()[: limits.PACKAGE_METADATA].decode("utf-8", "replace")
    except FileNotFoundError:
        return "", {}
    others, found = [], {}
    for line in text.splitlines():
        if match := _DIST.fullmatch(line):
            found[match[1]] = (match[1], int(match[2]), match[3], match[4])
        elif line.strip():
            others.append(f"{line}\n")
    return "".join(others), found
