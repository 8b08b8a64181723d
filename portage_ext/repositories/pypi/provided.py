"""No ebuild is made for a project that another ebuild repository on this host already has, whatever the version.

The package of a project is found in this order: by the file ``names``, by its name in dev-python, or by its metadata.xml
(remote-id of type pypi).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from portage_ext.limits import repositories as limits
from portage_ext.repositories.pypi.names import CATEGORY, Names
from portage_ext.repositories.pypi.written.dependencies import Provider
from portage_ext.repositories.pypi.written.versions import order

_REMOTE: Final = re.compile(rb"<remote-id\s+type=\"pypi\"\s*>\s*([A-Za-z0-9._-]{1,100})\s*</remote-id>")
_PYTHONS: Final = re.compile(r"\bpython_targets_python3_[0-9]+|^\s*inherit\s.*\b(?:distutils-r1|python-r1)\b", re.M)


class Provided:
    """The repositories of this host by name, in order of preference."""

    def __init__(self, repositories: Mapping[str, Path], names: Names) -> None:
        self._repositories = dict(repositories)
        self._names = names
        self._in_category: dict[str, tuple[str, str]] | None = None
        self._by_remote_id: dict[str, tuple[str, str]] | None = None

    def provider(self, project: str) -> Provider | None:
        """The package of the normalised ``project``; None if no repository has it."""
        mapped = self._names.packages.get(project)
        if mapped is not None:
            places = [(name, mapped) for name, root in self._repositories.items() if _pvrs(root / mapped)]
            found = next(iter(places), None)
        else:
            found = self._named().get(project) or self._remote_ids().get(project)
        return self._described(project, *found) if found is not None else None

    def place(self, package: str) -> tuple[Path, str] | None:
        """The directory and newest PVR of ``category/name`` in the first repository with an ebuild of it; None if there is
        none."""
        for root in self._repositories.values():
            if versions := _pvrs(root / package):
                return root / package, versions[-1]
        return None

    def text(self, relative: str, limit: int) -> str | None:
        """The text of a file (for example an eclass) from the first repository that has it; None if none has it."""
        for root in self._repositories.values():
            try:
                with (root / relative).open("rb") as file:
                    return file.read(limit).decode("utf-8", "replace")
            except OSError:
                continue
        return None

    def _described(self, project: str, repository: str, package: str) -> Provider:
        root = self._repositories[repository]
        versions = _pvrs(root / package)
        flags = {
            extra: use for (name, extra), (where, use) in self._names.extras.items() if name == project and where == package
        }
        return Provider(package, versions, f"::{repository}", flags, _for_pythons(root, package, versions))

    def _named(self) -> dict[str, tuple[str, str]]:
        if self._in_category is None:
            self._in_category = {}
            for name, root in self._repositories.items():
                for package in _directories(root / CATEGORY):
                    if _pvrs(root / CATEGORY / package):
                        self._in_category.setdefault(canonicalize_name(package), (name, f"{CATEGORY}/{package}"))
        return self._in_category

    def _remote_ids(self) -> dict[str, tuple[str, str]]:
        """The packages by remote-id. All packages are searched once, when the first project has no package with its own
        name."""
        if self._by_remote_id is None:
            self._by_remote_id = {}
            for name, root in self._repositories.items():
                for project, package in _remote_ids(root):
                    self._by_remote_id.setdefault(project, (name, package))
        return self._by_remote_id


def projects_of(metadata_xml: Path) -> tuple[str, ...]:
    """The normalised projects that a metadata.xml names (remote-id of type pypi); none if it cannot be read."""
    try:
        with metadata_xml.open("rb") as file:
            data = file.read(limits.PACKAGE_METADATA)
    except OSError:
        return ()
    return tuple(canonicalize_name(match[1].decode()) for match in _REMOTE.finditer(data))


def _directories(path: Path) -> list[str]:
    try:
        return sorted(one.name for one in path.iterdir())
    except OSError:
        return []


def _remote_ids(root: Path) -> Iterator[tuple[str, str]]:
    for category in _directories(root):
        if "-" not in category and category != "virtual":
            continue
        for package in _directories(root / category):
            found = projects_of(root / category / package / "metadata.xml")
            if found and _pvrs(root / category / package):
                yield from ((project, f"{category}/{package}") for project in found)


def _pvrs(path: Path) -> tuple[str, ...]:
    """The versions of a package's ebuilds without live ebuilds, oldest first (PMS 3.3)."""
    beginning = f"{path.name}-"
    found: Iterable[str] = (
        name.removesuffix(".ebuild").removeprefix(beginning)
        for name in _directories(path)
        if name.endswith(".ebuild") and name.startswith(beginning) and "9999" not in name
    )
    ordered = [(key, one) for one in found if (key := order(one)) is not None]
    return tuple(one for _, one in sorted(ordered))


def _for_pythons(root: Path, package: str, versions: tuple[str, ...]) -> bool:
    """Whether the package is built for selected Pythons, according to the metadata cache or the ebuild of its newest
    version."""
    category, name = package.split("/")
    newest = f"{name}-{versions[-1]}" if versions else name
    for path in (root / "metadata/md5-cache" / category / newest, root / package / f"{newest}.ebuild"):
        try:
            with path.open("rb") as file:
                text = file.read(limits.PACKAGE_METADATA).decode("utf-8", "replace")
        except OSError:
            continue
        return _PYTHONS.search(text) is not None and "DISTUTILS_SINGLE_IMPL=" not in text
    return True
