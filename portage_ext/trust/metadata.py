"""A package is held to what the index said of it: who it is, and everything that a decision rested on before it came.

The index holds dependencies with their USE conditionals evaluated, the package may hold them as in the ebuild; so both are
evaluated and compared atom by atom, in order. No I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from portage_ext.errors import InvalidCpvError, InvalidEntryError
from portage_ext.errors.trust import ChangedMetadataError, WrongPackageError
from portage_ext.gpkg.identity import Identity
from portage_ext.model import IndexEntry

EVALUATED: Final = ("DEPEND", "BDEPEND", "RDEPEND", "PDEPEND", "IDEPEND", "LICENSE", "PROPERTIES", "RESTRICT")
PLAIN: Final = ("BUILD_TIME", "CHOST", "DEFINED_PHASES", "IUSE", "KEYWORDS", "PROVIDES", "REQUIRES", "USE")
COMPARED: Final = frozenset((*EVALUATED, *PLAIN, "EAPI"))
_OPERATORS: Final = frozenset({"||", "^^", "??"})


def check_identity(where: str, entry: IndexEntry, found: Identity) -> None:
    """Raises WrongPackageError when the package is not the one that ``entry`` names."""
    try:
        wanted = (str(entry.cpv), entry.build_id, entry.slot, entry.repository or "")
    except (InvalidCpvError, InvalidEntryError) as error:
        raise WrongPackageError(where, str(error)) from error
    there = (str(found.cpv), found.build_id, found.slot, found.repository or "")
    for name, want, have in zip(("name", "build id", "slot", "repository"), wanted, there, strict=True):
        if want != have:
            raise WrongPackageError(where, f"its {name} is {have!r} inside, but {want!r} was asked for")


def check_metadata(where: str, entry: IndexEntry, found: Mapping[str, str]) -> None:
    """Raises ChangedMetadataError when a value in ``found`` (from the package) differs from ``entry``."""
    use = frozenset(found.get("USE", "").split())
    for key in EVALUATED:
        if atoms(entry.get(key), use) != atoms(found.get(key, ""), use):
            raise ChangedMetadataError(where, f"the index gives it another {key} than it has")
    for key in PLAIN:
        if sorted(entry.get(key).split()) != sorted(found.get(key, "").split()):
            raise ChangedMetadataError(where, f"the index gives it another {key} than it has")
    if (entry.get("EAPI") or "0") != (found.get("EAPI") or "0"):
        raise ChangedMetadataError(where, "the index gives it another EAPI than it has")


def atoms(text: str, use: frozenset[str]) -> list[str]:
    """The words of a dependency string that hold with ``use``, without groups and operators (PMS 8.2)."""
    kept: list[str] = []
    outer: list[bool] = []
    active, condition = True, True
    for word in text.split():
        if word == "(":
            outer.append(active)
            active, condition = active and condition, True
        elif word == ")":
            active = outer.pop() if outer else active
        elif word.endswith("?") and word not in _OPERATORS:
            flag = word[:-1]
            condition = (flag[1:] not in use) if flag.startswith("!") else flag in use
        elif word not in _OPERATORS and active:
            kept.append(word)
    return kept
