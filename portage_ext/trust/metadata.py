"""A fetched package must match its index entry: its identity, and every value that emerge used before it fetched the package.

The index has dependencies with evaluated USE conditionals, and the package may have them as in the ebuild. So both are
converted to a normal form, and the results are compared (trust/expressions.py). No I/O.
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
"""Keys that the index of an older Portage lacks. They are compared only if the entry has them."""
COMPARED: Final = frozenset((*EVALUATED, *PLAIN, *IF_GIVEN, "EAPI", CONTRACT))


def check_identity(where: str, entry: IndexEntry, found: Identity) -> None:
    """Raise WrongPackageError if the package is not the one that ``entry`` names."""
    try:
        wanted = (str(entry.cpv), entry.build_id, entry.slot, entry.repository or "")
    except (InvalidCpvError, InvalidEntryError) as error:
        raise WrongPackageError(where, str(error)) from error
    there = (str(found.cpv), found.build_id, found.slot, found.repository or "")
    for name, want, have in zip(("name", "build id", "slot", "repository"), wanted, there, strict=True):
        if want != have:
            raise WrongPackageError(where, f"its {name} is {have!r} inside, but {want!r} was asked for")


def check_metadata(where: str, entry: IndexEntry, found: Mapping[str, str]) -> None:
    """Raise ChangedMetadataError if a value in ``found`` (from the package) differs from ``entry``."""
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
    """Raise ChangedMetadataError if the contract in ``entry`` differs from ``found``, the contract in the package.

    An entry without a contract is accepted, because indexes that Portage itself writes have none.
    """
    if entry.get(CONTRACT) and entry.get(CONTRACT).split() != found.split():
        raise ChangedMetadataError(where, f"the index gives it another {CONTRACT} than it has")


def _expression(key: str, text: str, use: frozenset[str]) -> tuple[str, ...]:
    """The normal form of ``text``; if Portage would refuse the text, its words unchanged."""
    try:
        return expressions.normal(text, use, atoms=key.endswith("DEPEND"))
    except ValueError:
        return tuple(text.split())
