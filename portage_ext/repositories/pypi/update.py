"""The new content of a repository is computed from the configuration, its current content and the index; nothing is written.

All foreign data is read here, so a sync runs this as the sync-user (worker.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from portage_ext.errors import PortageExtError
from portage_ext.errors.pypi import ProjectError
from portage_ext.errors.trust import MirrorError
from portage_ext.fetch.transfer import Patience
from portage_ext.limits import repositories as limits
from portage_ext.repositories.pypi import lock, places
from portage_ext.repositories.pypi.candidate import Candidate, Terms
from portage_ext.repositories.pypi.choice import choose
from portage_ext.repositories.pypi.closure import Asked, closure
from portage_ext.repositories.pypi.contents import HEAD, KEPT, contents, read_kept
from portage_ext.repositories.pypi.index import Index
from portage_ext.repositories.pypi.lock import LOCK, Lock
from portage_ext.repositories.pypi.provided import Provided
from portage_ext.repositories.pypi.sync import Job
from portage_ext.repositories.pypi.written import licences, targets
from portage_ext.repositories.pypi.written.dependencies import Provider
from portage_ext.repositories.pypi.written.source import DEFAULT_INDEX
from portage_ext.repositories.swap import File


def update(job: Job) -> dict[str, File]:
    """Compute all files of the repository. Raises SettingsError; MirrorError if the index cannot be reached at all."""
    directory, location = Path(job.directory), Path(job.location)
    names = places.names(directory)
    provided = Provided({name: Path(path) for name, path in job.others.items()}, names)
    known = lock.parse(_here(location / LOCK), str(location / LOCK))
    kept = read_kept(_here(location / KEPT))
    terms = Terms(
        targets=targets.known(provided.text("eclass/python-utils-r1.eclass", limits.ECLASS_SIZE) or ""),
        licences=licences.of(provided.text("metadata/license-mapping.conf", limits.ECLASS_SIZE)),
        names=names,
        keywords=job.keyword,
        default_index=job.index.rstrip("/") == DEFAULT_INDEX.rstrip("/"),
        head=HEAD,
    )
    before = frozenset(project for project, _ in known.entries)
    asked = Asked(places.listed(directory), places.confirmed(directory) | before, kept, job.name)
    index = Index(job.index, Patience())
    try:
        releases = _Releases(index, provided, known, kept)
        made = closure(asked, releases, terms)
        releases.check_reached()
    finally:
        index.close()
    return contents(made, asked, known, [job.master], job.index)


def _here(path: Path) -> str:
    """The text of a file from an earlier sync; empty if it does not exist."""
    try:
        with path.open("rb") as file:
            return file.read(limits.PYPI_RECORD).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""


class _Releases:
    """The releases on the index. Each is fetched once, and releases that the repository already has are not fetched again."""

    def __init__(self, index: Index, provided: Provided, known: Lock, kept: Mapping[str, Candidate]) -> None:
        self._index = index
        self._provided = provided
        self._lock = known
        self._kept = kept
        self._found: dict[tuple[str, Version], Candidate | PortageExtError] = {}
        self._unreached: dict[str, MirrorError] = {}
        self._reached = False

    def provider(self, project: str) -> Provider | None:
        return self._provided.provider(project)

    def candidate(self, project: str, specifiers: SpecifierSet) -> Candidate:
        if project in self._unreached:
            raise self._unreached[project]
        try:
            page = self._index.releases(project)
        except MirrorError as error:
            self._unreached[project] = error
            raise
        except ProjectError:
            self._reached = True
            raise
        self._reached = True
        release = choose(page, specifiers, project)
        key = project, release.version
        if key not in self._found:
            sha256 = release.sdist.sha256 if release.sdist is not None else ""
            kept = self._kept.get(project)
            try:
                self._lock.check(project, release.version, sha256)
                if kept is not None and kept.file.sha256 == sha256 and kept.metadata.version == release.version:
                    self._found[key] = replace(kept, native=kept.native or release.native)
                else:
                    self._found[key] = self._index.candidate(release, project)
            except (ProjectError, MirrorError) as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, PortageExtError):
            raise found
        return found

    def check_reached(self) -> None:
        """Raise MirrorError if the index answered no request at all, so that the repository is not changed because of that."""
        if self._unreached and not self._reached:
            raise next(iter(self._unreached.values()))
