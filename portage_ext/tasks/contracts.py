"""Which symbol versions packages need and define, recorded or computed from files, and what this system does not meet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from portage_ext.elf.system import System
from portage_ext.elf.tree import read_image
from portage_ext.errors import NoSuchPackageError
from portage_ext.gpkg.contract import computed_contract, stored_contract
from portage_ext.host.installed import installed_contracts, place
from portage_ext.model.contract import Need, SymbolContract
from portage_ext.toolchain.plan import needs_of


@dataclass(frozen=True, slots=True)
class Unmet:
    """A need that this system does not meet, the missing versions, and whether the library exists at all."""

    need: Need
    missing: frozenset[str]
    found: bool


@dataclass(frozen=True, slots=True)
class Contracted:
    """A package's contract for this system and as it is stored (``portable``); ``recorded`` or computed now."""

    name: str
    recorded: bool
    contract: SymbolContract
    portable: SymbolContract
    unmet: Sequence[Unmet]


def contracts(what: str, *, compute: bool = False) -> Iterator[Contracted]:
    """The contracts of ``what``: an atom of installed packages, a package file, or a directory with an image.

    ``compute``: read the files even if a contract is recorded.

    Raises NoSuchPackageError, RequestError, PackageError, OSError.
    """
    here = place()
    system, found = System(here.root, here.eprefix), False
    for name, recorded, portable in _contracts(what, here.eprefix, compute=compute):
        found = True
        contract = portable.placed(here.eprefix)
        unmet = [
            Unmet(need, system.missing(need), bool(system.candidates(need.library)))
            for need, search in needs_of(contract)
            if not system.holds(need, search)
        ]
        yield Contracted(name, recorded, contract, contract.portable(here.eprefix), unmet)
    if not found:
        raise NoSuchPackageError(what)


def _contracts(what: str, eprefix: str, *, compute: bool) -> Iterator[tuple[str, bool, SymbolContract]]:
    path = Path(what)
    if path.is_dir():
        yield what, False, read_image(path, eprefix=eprefix).contract(eprefix=eprefix)
    elif path.is_file():
        stored = None if compute else stored_contract(path)
        yield (what, True, stored) if stored is not None else (what, False, computed_contract(path))
    else:
        yield from installed_contracts(what, compute=compute)
