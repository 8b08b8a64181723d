"""A project has one normalised name (PEP 503); from it, or from the file ``names``, comes the package in Gentoo.

The file ``names``, which a person writes, has a line for each exception::

    PyYAML            dev-python/pyyaml            # the package that is this project
    requests[socks]   dev-python/requests[socks5]  # what an extra is called there
    native lxml       dev-libs/libxml2 dev-libs/libxslt   # what its native code needs to be built ("none": nothing)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from portage_ext import limits
from portage_ext.errors import SettingsError
from portage_ext.errors.pypi import InvalidNameError
from portage_ext.limits import repositories as bounds

CATEGORY: Final = "dev-python"
_PROJECT: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_PACKAGE: Final = re.compile(r"([a-z0-9][a-z0-9+_.-]*/[A-Za-z0-9_][A-Za-z0-9+_-]*)(?:\[([a-z0-9][a-z0-9+_@-]*)\])?")
_VERSION_LIKE: Final = re.compile(r"-[0-9]+(\.[0-9]+)*[a-z]?(_(alpha|beta|pre|rc|p)[0-9]*)*(-r[0-9]+)?\Z")
"""A package name must not end with a hyphen and something that looks like a version (PMS 3.1.2)."""
RESERVED_FLAGS: Final = frozenset({"debug", "doc", "test", "verify-provenance"})
"""USE flags with a special meaning in Portage or an eclass."""


def normalised(name: str) -> str:
    """The normalised form of a name, which is used for comparison (PEP 503). Raises InvalidNameError."""
    if len(name) > bounds.PYPI_NAME or not name.isascii() or not _PROJECT.fullmatch(name):
        raise InvalidNameError(name[: bounds.PYPI_NAME], "it is no name of a project (PEP 508)")
    return str(canonicalize_name(name))


def flag(project: str, extra: str) -> str:
    """The USE flag for an extra of ``project``. Raises InvalidNameError."""
    name = normalised(extra)
    if name in RESERVED_FLAGS or name.startswith("python-targets"):
        raise InvalidNameError(f"{project}[{name}]", f"USE={name} has another meaning in Gentoo; leave this extra out")
    return name


def package(project: str) -> str:
    """``category/name`` of the package for the normalised ``project`` by rule. Raises InvalidNameError."""
    if _VERSION_LIKE.search(project):
        raise InvalidNameError(project, "no package can have a name that ends like a version; give it one in the file `names`")
    return f"{CATEGORY}/{project}"


@dataclass(frozen=True, slots=True)
class Names:
    """The content of the file ``names``: packages by project, (package, USE flag) by (project, extra), and build dependencies
    of native code by project."""

    packages: Mapping[str, str] = field(default_factory=dict)
    extras: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    native: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def package(self, project: str) -> str:
        """``category/name`` of ``project`` from the file, or else by rule. Raises InvalidNameError."""
        return self.packages.get(project) or package(project)


def parse_names(text: str, path: str) -> Names:
    """Parse the file ``names``. Raises SettingsError, which names the line."""
    packages: dict[str, str] = {}
    extras: dict[tuple[str, str], tuple[str, str]] = {}
    native: dict[str, tuple[str, ...]] = {}
    for where, words in _lines(text, path):
        try:
            if words[0] == "native" and len(words) > 2:
                atoms = () if words[2:] == ["none"] else tuple(_package(word, where)[0] for word in words[2:])
                native[normalised(words[1])] = atoms
                continue
            if len(words) != 2:
                raise SettingsError(where, "a line is: PROJECT CATEGORY/PACKAGE, or: native PROJECT CATEGORY/PACKAGE…")
            project, extra = words[0].removesuffix("]").partition("[")[::2]
            found, use = _package(words[1], where)
            if extra:
                extras[normalised(project), normalised(extra)] = found, use
            else:
                packages[normalised(project)] = found
        except InvalidNameError as error:
            raise SettingsError(where, str(error)) from error
    return Names(packages, extras, native)


def _package(word: str, where: str) -> tuple[str, str]:
    match = _PACKAGE.fullmatch(word)
    if match is None or _VERSION_LIKE.search(match[1]):
        raise SettingsError(where, f"{word[:100]!r} is no CATEGORY/PACKAGE")
    return match[1], match[2] or ""


def parse_list(text: str, path: str) -> dict[str, Requirement]:
    """The projects that a person lists, one ``NAME[EXTRA]…`` with an optional ``==V`` or ``<V`` a line, by normalised name.

    Raises SettingsError, which names the line.
    """
    listed: dict[str, Requirement] = {}
    for where, words in _lines(text, path):
        one = requested(" ".join(words), where)
        listed[normalised(one.name)] = one
    return listed


def requested(text: str, where: str) -> Requirement:
    """Parse ``NAME[EXTRA]…==V`` as written by a person. Raises SettingsError."""
    try:
        one = Requirement(text[: bounds.PYPI_REQUIREMENT])
        normalised(one.name)
    except (InvalidRequirement, RecursionError, ValueError) as error:
        raise SettingsError(
            where, f"{text[:100]!r} is not NAME, NAME[EXTRA] or NAME==VERSION ({str(error).splitlines()[0]})"
        ) from error
    except InvalidNameError as error:
        raise SettingsError(where, str(error)) from error
    if one.url is not None or one.marker is not None:
        raise SettingsError(where, "a line of the list has no URL and no condition")
    return one


def _lines(text: str, path: str) -> list[tuple[str, list[str]]]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line[: limits.CONFIG_LINE].partition("#")[0].split()
        if words:
            found.append((f"{path}, line {number}", words))
    return found
