"""The files of a repository are a pure function of the closure, so an unchanged closure gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from portage_ext.errors import PortageExtError
from portage_ext.errors.pypi import ProjectError, UnconfirmedError
from portage_ext.repositories import layout
from portage_ext.repositories.pypi import candidate
from portage_ext.repositories.pypi.candidate import Candidate
from portage_ext.repositories.pypi.closure import Asked, Closure
from portage_ext.repositories.pypi.lock import LOCK, Lock
from portage_ext.repositories.pypi.written import ebuild
from portage_ext.repositories.record import RECORD, Item, Kind, Record, Remark
from portage_ext.repositories.swap import File

MADE_BY: Final = "pypi"
KEPT: Final = "metadata/pypi-releases.json"
"""The file with data that the next sync need not fetch from the index again."""
HEAD: Final = ("Made by portage-ext from what a Python index says. The next sync replaces it: change the list, not this file.",)


def contents(made: Closure, asked: Asked, lock: Lock, masters: Sequence[str], source: str) -> dict[str, File]:
    """All files."""
    categories = {draft.package.partition("/")[0] for draft in made.drafts.values()} or {"dev-python"}
    found = layout.skeleton(asked.name, masters, categories)
    for project, draft in made.drafts.items():
        package = draft.package
        found[draft.path] = File(ebuild.text(draft).encode())
        found[f"{package}/metadata.xml"] = File(ebuild.package_xml(draft, "").encode())
        found[f"{package}/Manifest"] = File(ebuild.manifest([made.candidates[project].distfile]).encode())
    more = [(one.project, one.metadata.version, one.file.sha256) for one in made.candidates.values()]
    found[LOCK] = File(lock.having(more).text().encode())
    found[KEPT] = File(candidate.as_text({project: one.kept() for project, one in made.candidates.items()}))
    found[RECORD] = File(record(made, asked, source).data())
    return found


def record(made: Closure, asked: Asked, source: str) -> Record:
    """The record of the repository: what is in it and why, and what was left out."""

    def package(project: str) -> str:
        draft = made.drafts.get(project)
        return draft.package if draft is not None else project

    items = [
        Item(draft.package, project in asked.listed, tuple(sorted(map(package, made.needed_by.get(project, ())))))
        for project, draft in made.drafts.items()
    ]
    remarks = [
        Remark(Kind.HELD if isinstance(error, UnconfirmedError) else Kind.REFUSED, project, reason(error))
        for project, error in made.refused.items()
    ]
    remarks += [
        Remark(Kind.KEPT, project, f"it stays at {made.candidates[project].metadata.version}: {reason(error)}")
        for project, error in made.behind.items()
    ]
    remarks += [
        Remark(
            Kind.LEFT_OUT, project, f"{provider.repository} has it as {provider.package}; the line in the list is not needed"
        )
        for project, provider in made.provided.items()
        if project in asked.listed
    ]
    versions = {draft.package: draft.pv for draft in made.drafts.values()}
    return Record(MADE_BY, source, tuple(sorted(items)), tuple(sorted(remarks)), versions)


def reason(error: PortageExtError) -> str:
    """The text of the error without the name at its start."""
    if not isinstance(error, ProjectError):
        return str(error)
    return error.why


def read_kept(text: str) -> dict[str, Candidate]:
    """Read the candidates in KEPT. Damaged ones are left out and fetched again."""
    try:
        values: Mapping[str, Any] = json.loads(text)
        return {project: candidate.read_back(project, one) for project, one in values.items()}
    except (ValueError, RecursionError, AttributeError, ProjectError):
        return {}
