"""A package is held to what the index said of it: who it is, and everything that a decision rested on before it came.

The index holds dependencies with their USE conditionals evaluated, the package may hold them as in the ebuild; so the normal
forms of both are compared, word by word and group by group (trust/expressions.py). No I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from portage_ext.errors import InvalidCpvError, InvalidEntryError
from portage_ext.errors.trust import ChangedMetadataError, WrongPackageError
from portage_ext.gpkg.identity import Identity
from portage_ext.model import IndexEntry
from portage_ext.model.contract import KEY as CONTRACT
from portage_ext.trust import expressions

EVALUATED: Final = ("DEPEND", "BDEPEND", "RDEPEND", "PDEPEND", "IDEPEND", "LICENSE", "PROPERTIES", "RESTRICT")
PLAIN: Final = ("BUILD_TIME", "CHOST", "DEFINED_PHASES", "IUSE", "KEYWORDS", "PROVIDES", "REQUIRES", "USE")
IF_GIVEN: Final = ("USER_PATCHES",)
"""What an index of a Portage that does not know the key lacks: nothing rests on it then."""
COMPARED: Final = frozenset((*EVALUATED, *PLAIN, *IF_GIVEN, "EAPI", CONTRACT))


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
        if _expression(key, entry.get(key), use) != _expression(key, found.get(key, ""), use):
            raise ChangedMetadataError(where, f"the index gives it another {key} than it has")
    for key in (*PLAIN, *(key for key in IF_GIVEN if entry.get(key))):
        if sorted(entry.get(key).split()) != sorted(found.get(key, "").split()):
            raise ChangedMetadataError(where, f"the index gives it another {key} than it has")
    if (entry.get("EAPI") or "0") != (found.get("EAPI") or "0"):
        raise ChangedMetadataError(where, "the index gives it another EAPI than it has")


def check_contract(where: str, entry: IndexEntry, found: str) -> None:
    """Raises ChangedMetadataError when ``entry`` has another contract than ``found``, which the package records.

    An entry without one says nothing: indexes of Portage itself have none.
    """
    if entry.get(CONTRACT) and entry.get(CONTRACT).split() != found.split():
        raise ChangedMetadataError(where, f"the index gives it another {CONTRACT} than it has")


def _expression(key: str, text: str, use: frozenset[str]) -> tuple[str, ...]:
    """What Portage would make of ``text``; of what it would refuse, the words as they stand."""
    try:
        return expressions.normal(text, use, atoms=key.endswith("DEPEND"))
    except ValueError:
        return tuple(text.split())
