"""A repository contains the listed projects and all their dependencies that no other repository on this host provides.

Versions are chosen without backtracking: the newest one that all dependent projects allow. A release that cannot be used is
left out with a reason, together with the projects that need it. If the repository already has an earlier release, the project
stays at that one. The rules, in order:

1. if another repository on this host has the project, no ebuild is made
2. if its page, archive or metadata cannot be used, or the lock file has its version with another digest, it is refused
3. if it is not listed, confirmed or already in the repository, it is held until somebody confirms it
4. if no ebuild can be made (native code, cargo, licence, …), or rules 2 to 4 exclude something that it needs, it is refused
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from portage_ext.errors import PortageExtError
from portage_ext.errors.pypi import DependencyError, ProjectError, UnconfirmedError, YankedError
from portage_ext.errors.trust import MirrorError
from portage_ext.limits import repositories as limits
from portage_ext.repositories.pypi import candidate as candidates
from portage_ext.repositories.pypi.candidate import Candidate, Terms
from portage_ext.repositories.pypi.names import normalised
from portage_ext.repositories.pypi.written.dependencies import Provider
from portage_ext.repositories.pypi.written.ebuild import Draft


class Releases(Protocol):
    """The source of releases."""

    def candidate(self, project: str, specifiers: SpecifierSet) -> Candidate:
        """The newest release that fits. Raises ProjectError, MirrorError."""

    def provider(self, project: str) -> Provider | None:
        """The package for the project in another repository; None if there is none."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The input of a closure: the list, the names that a person confirmed or that are in the lock file, and the releases that
    the repository has now."""

    listed: Mapping[str, Requirement]
    consented: frozenset[str]
    kept: Mapping[str, Candidate]
    name: str


@dataclass(frozen=True, slots=True)
class Closure:
    """Ebuilds by project with their releases; who needs each project; why others are missing, and why some are not updated."""

    drafts: Mapping[str, Draft]
    candidates: Mapping[str, Candidate]
    needed_by: Mapping[str, tuple[str, ...]]
    refused: Mapping[str, PortageExtError]
    behind: Mapping[str, PortageExtError]
    provided: Mapping[str, Provider]


@dataclass(slots=True)
class _Walk:
    """One pass through all projects with the present knowledge."""

    specifiers: dict[str, SpecifierSet] = field(default_factory=dict)
    extras: dict[str, frozenset[str]] = field(default_factory=dict)
    needed_by: dict[str, set[str]] = field(default_factory=dict)
    found: dict[str, Candidate] = field(default_factory=dict)
    failed: dict[str, PortageExtError] = field(default_factory=dict)
    provided: dict[str, Provider] = field(default_factory=dict)


def closure(asked: Asked, releases: Releases, terms: Terms) -> Closure:
    """Compute the closure of the list and all dependencies."""
    behind: dict[str, PortageExtError] = {}
    held: dict[str, PortageExtError] = {}
    while True:
        walk = _walked(asked, releases, terms, behind)
        drafts, refused = _drafted(asked, walk, terms)
        # Dependencies that only the newer release has are held too, although the earlier release is used until they are
        # confirmed.
        held |= {project: error for project, error in refused.items() if isinstance(error, UnconfirmedError)}
        # If the repository has an earlier release of a refused project, use that one and start again.
        back = {
            project: error
            for project, error in refused.items()
            if project in asked.kept and project not in behind and not isinstance(error, YankedError | UnconfirmedError)
        }
        if not back or len(behind) > limits.PYPI_ROUNDS:
            break
        behind |= back
    staying = {project: error for project, error in behind.items() if project in drafts}
    return Closure(
        drafts=drafts,
        candidates={project: walk.found[project] for project in drafts},
        needed_by={project: tuple(sorted(by)) for project, by in walk.needed_by.items()},
        refused={**held, **refused, **{project: error for project, error in behind.items() if project in refused}},
        behind=staying,
        provided=walk.provided,
    )


def _walked(asked: Asked, releases: Releases, terms: Terms, behind: Mapping[str, PortageExtError]) -> _Walk:
    walk = _Walk()
    for project, one in asked.listed.items():
        walk.specifiers[project] = one.specifier
        walk.extras[project] = frozenset(map(normalised, one.extras))
    for _ in range(limits.PYPI_ROUNDS):
        before = {project: (str(some), walk.extras[project]) for project, some in walk.specifiers.items()}
        walk.found, walk.failed, walk.needed_by = {}, {}, {}
        queue, seen = list(asked.listed), set(asked.listed)
        while queue:
            project = queue.pop()
            for needed in _visit(project, asked, releases, terms, behind, walk):
                if needed not in seen and len(seen) < limits.PYPI_PROJECTS:
                    seen.add(needed)
                    queue.append(needed)
        if before == {project: (str(some), walk.extras[project]) for project, some in walk.specifiers.items()}:
            break
    return walk


def _visit(
    project: str, asked: Asked, releases: Releases, terms: Terms, behind: Mapping[str, PortageExtError], walk: _Walk
) -> Iterable[str]:
    """Add the release of one project to the pass. Returns its dependencies, which must be visited too."""
    if (provider := releases.provider(project)) is not None:
        walk.provided[project] = provider
        return ()
    try:
        found = asked.kept[project] if project in behind else releases.candidate(project, walk.specifiers[project])
        runtime = candidates.wanted(found, terms, walk.extras[project]).needs
        needs = (*runtime, *candidates.wanted_to_build(found, terms))
    except (ProjectError, MirrorError) as error:
        walk.failed[project] = error
        return ()
    walk.found[project] = found
    for need in needs:
        walk.needed_by.setdefault(need.project, set()).add(project)
        walk.specifiers[need.project] = walk.specifiers.get(need.project, SpecifierSet()) & need.specifiers
        walk.extras[need.project] = walk.extras.get(need.project, frozenset()) | need.extras
    return [need.project for need in needs]


def _drafted(asked: Asked, walk: _Walk, terms: Terms) -> tuple[dict[str, Draft], dict[str, PortageExtError]]:
    """The ebuilds that can be made, and why others cannot. If a project is refused, all that need it are refused too."""
    refused = dict(walk.failed)
    for project in walk.found:
        if project not in asked.listed and project not in asked.consented:
            refused[project] = UnconfirmedError(project, ", ".join(sorted(walk.needed_by.get(project, ()))))
    # Projects may have circular dependencies, so each is assumed to be available until it is refused.
    there = [project for project in walk.found if project not in refused]

    def resolve(project: str) -> Provider:
        if (provider := walk.provided.get(project)) is not None:
            return provider
        if (error := refused.get(project)) is not None:
            raise DependencyError(project, f"{project}, {_absent(error)}")
        return candidates.provider(walk.found[project], terms, walk.extras[project], asked.name)

    while True:
        drafts: dict[str, Draft] = {}
        failing: dict[str, PortageExtError] = {}
        packages: dict[str, str] = {}
        for project in sorted(there):
            try:
                draft = candidates.draft(walk.found[project], terms, walk.extras[project], resolve)
                if (other := packages.setdefault(draft.package, project)) != project:
                    raise ProjectError(project, f"it would be {draft.package}, which is {other} already; see the file `names`")
                drafts[project] = draft
            except DependencyError as error:
                failing[project] = DependencyError(project, error.detail)
            except ProjectError as error:
                failing[project] = error
        if not failing:
            return drafts, refused
        refused.update(failing)
        there = [project for project in there if project not in failing]


def _absent(error: PortageExtError) -> str:
    """Why a project is missing, as the reason for the projects that need it."""
    if isinstance(error, UnconfirmedError):
        return "which waits for `portage-ext pypi confirm`"
    return f"which is not here: {error.why if isinstance(error, ProjectError) else error}"
