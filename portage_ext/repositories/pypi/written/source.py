"""The ebuild uses pypi.eclass for its source archive if the file name follows the rules of the eclass, and else a plain
SRC_URI.

The rules of pypi.eclass: the file name is the normalised PYPI_PN (with PYPI_NO_NORMALIZE: PYPI_PN itself), a hyphen, the
translated PV, and .tar.gz; and it unpacks to a directory with the same name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from packaging.utils import canonicalize_name

from portage_ext.repositories.pypi.published.page import File
from portage_ext.repositories.pypi.written.versions import translated

DEFAULT_INDEX: Final = "https://pypi.org/simple/"
"""The default index, and the only one that pypi.eclass supports."""
PROJECT_PAGE: Final = "https://pypi.org/project/{}/"
_ENDING: Final = ".tar.gz"


@dataclass(frozen=True, slots=True)
class Source:
    """The lines before ``inherit``, the eclasses, and the lines that replace what pypi.eclass sets."""

    before: tuple[str, ...]
    eclasses: str
    after: tuple[str, ...]
    distfile: str


def source(file: File, directory: str, package: str, pv: str, *, default_index: bool) -> Source:
    """How the ebuild ``package``-``pv`` refers to the archive ``file``, which unpacks to ``directory``."""
    name = package.partition("/")[2]
    if not default_index:
        ending = f" -> {file.name}" if file.url.rpartition("/")[2] != file.name else ""
        away = () if directory == f"{name}-{pv}" else (f'S="${{WORKDIR}}/{directory}"',)
        return Source((), "distutils-r1", (f'SRC_URI="{file.url}{ending}"', *away), file.name)
    project, _, version = file.name.removesuffix(_ENDING).rpartition("-")
    ours = translated(pv)
    before: list[str] = []
    after: list[str] = []
    if project == _underscored(project):
        if _underscored(name) != project:
            before.append(f'PYPI_PN="{canonicalize_name(project)}"')
    else:
        before.append("PYPI_NO_NORMALIZE=1")
        if name != project:
            before.append(f'PYPI_PN="{project}"')
    if version != ours:
        normalise = "--no-normalize " if before[:1] == ["PYPI_NO_NORMALIZE=1"] else ""
        after.append(f'SRC_URI="$(pypi_sdist_url {normalise}"{project}" "{version}")"')
    if directory != f"{project}-{ours}":
        after.append(f'S="${{WORKDIR}}/{directory}"')
    return Source(tuple(before), "distutils-r1 pypi", tuple(after), file.name)


def _underscored(name: str) -> str:
    """Normalise a name for the file name, as pypi.eclass does."""
    return re.sub(r"[._-]+", "_", name).lower()
