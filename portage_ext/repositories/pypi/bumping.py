"""For a newer release of an existing package, its newest ebuild is copied, the Manifest is made, and the changes are shown.

This works only if metadata.xml names a project on the index and the ebuild fetches its archive from there (``inherit pypi``).
Only KEYWORDS changes in the text of the ebuild: all keywords of a new version begin with ``~``.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from portage_ext import files
from portage_ext.errors.pypi import NoReleaseError, OverlayError, ProjectError
from portage_ext.limits import repositories as limits
from portage_ext.repositories.pypi import candidate as candidates
from portage_ext.repositories.pypi import single
from portage_ext.repositories.pypi.candidate import Candidate, Terms
from portage_ext.repositories.pypi.choice import choose
from portage_ext.repositories.pypi.index import Index
from portage_ext.repositories.pypi.provided import Provided, projects_of
from portage_ext.repositories.pypi.published.page import Release
from portage_ext.repositories.pypi.written.dependencies import Provider
from portage_ext.repositories.pypi.written.versions import pep440

_PACKAGE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9+_.-]*/[A-Za-z0-9_][A-Za-z0-9+_-]*")
_KEYWORDS: Final = re.compile(r'^(KEYWORDS=")([^"\n]*)(")$', re.M)
_WORD: Final = re.compile(r"(?<![\w~-])(?=[a-z])")
_PYPI: Final = re.compile(r"^\s*inherit\s(?:.*\s)?pypi(?:\s|$)", re.M)


@dataclass(frozen=True, slots=True)
class Bump:
    """A newer release: the package and its versions, the text of the ebuild, the release, and the differences between the
    metadata of both releases (lines of a diff; empty if there are none)."""

    package: str
    old: str
    new: str
    text: str
    candidate: Candidate
    differences: tuple[str, ...]


def bump(package: str, index: Index, terms: Terms, provided: Provided) -> Bump | None:
    """Find a newer release of ``package``; None if it has the newest. Raises ProjectError, OverlayError, MirrorError."""
    place = provided.place(package) if _PACKAGE.fullmatch(package) else None
    if place is None:
        raise OverlayError(package, "no repository here has an ebuild of it")
    directory, pvr = place
    projects = projects_of(directory / "metadata.xml")
    if not projects:
        raise OverlayError(
            str(directory / "metadata.xml"), "it names no project on PyPI (remote-id), and no other place is looked at"
        )
    said = text(directory / f"{directory.name}-{pvr}.ebuild")
    if not _PYPI.search(said):
        raise OverlayError(
            str(directory),
            "its ebuild does not inherit pypi, so its archive comes from elsewhere; make the new version by hand",
        )
    releases = index.releases(projects[0])
    newest = choose(releases, SpecifierSet(), projects[0])
    current = pep440(pvr)
    if current is None:
        raise NoReleaseError(projects[0], f"the version {pvr} of {package} is none that PyPI has")
    if current >= newest.version:
        return None
    found = index.candidate(newest, projects[0])
    before = _described(releases.get(current), index, terms, projects[0])
    after = _facts(found, terms)
    lines = difflib.unified_diff(before, after, pvr, found.pv, lineterm="", n=0) if before else iter(after)
    changed = tuple(line for line in lines if not line.startswith(("---", "+++", "@@")))
    return Bump(package, pvr, found.pv, testing(said), found, changed)


def put(made: Bump, overlay: Path) -> list[Path]:
    """Write the ebuild and its Manifest into ``overlay``. Raises OverlayError, OSError."""
    directory = overlay / made.package
    path = directory / f"{directory.name}-{made.new}.ebuild"
    if path.exists():
        raise OverlayError(str(path), "it is there already, and was not changed")
    if not directory.is_dir():
        raise OverlayError(str(directory), "the package is not in this overlay; copy its directory there first")
    single.write_manifest(directory / "Manifest", made.candidate.distfile)
    files.replace_file(path, made.text.encode())
    return [directory / "Manifest", path]


def testing(ebuild: str) -> str:
    """The text of an ebuild with testing KEYWORDS (``~arch``), because nobody has tested the new version."""
    return _KEYWORDS.sub(lambda match: match[1] + _WORD.sub("~", match[2]) + match[3], ebuild)


def text(path: Path) -> str:
    """Read the text of an ebuild. Raises OverlayError."""
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(limits.PACKAGE_METADATA)
    except (OSError, UnicodeDecodeError) as error:
        raise OverlayError(str(path), str(error)) from error


def _described(release: Release | None, index: Index, terms: Terms, project: str) -> list[str]:
    """The metadata of the current release as lines; empty if it is no longer on the index."""
    if release is None or release.sdist is None:
        return []
    try:
        return _facts(index.candidate(release, project), terms)
    except ProjectError:
        return []


def _facts(found: Candidate, terms: Terms) -> list[str]:
    """The values that decide the content of an ebuild, one per line."""
    draft = candidates.draft(found, replace(terms, person=True), frozenset(), _Any(found).resolve)
    return [
        f"backend {draft.backend}",
        f"licence {draft.licence}",
        f"python {' '.join(draft.python)}",
        *(f"needs {line.strip()}" for line in draft.rdepend),
        *(f"builds with {line.strip()}" for line in draft.bdepend),
    ]


class _Any:
    """Gives each project a package name by rule. That is enough to compare two releases with each other."""

    def __init__(self, found: Candidate) -> None:
        needed = (*found.metadata.requirements, *found.build.requirements)
        self._flags = {str(extra): str(extra) for one in needed for extra in map(canonicalize_name, one.extras)}

    def resolve(self, project: str) -> Provider:
        return Provider(f"dev-python/{project}", flags=self._flags)
