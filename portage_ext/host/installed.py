"""Installed packages by atom, for the commands: the vdb of ROOT as Portage knows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from portage_ext.errors import UsageError
from portage_ext.model.contract import SymbolContract


@dataclass(frozen=True, slots=True)
class Place:
    """ROOT and EPREFIX of this run."""

    root: Path
    eprefix: str


def place() -> Place:
    """Where packages are installed."""
    import portage

    return Place(Path(portage.settings["ROOT"]), portage.settings["EPREFIX"])


def installed_contracts(atom: str, *, compute: bool = False) -> Iterator[tuple[str, bool, SymbolContract]]:
    """Name, whether its contract is a recorded one, and the contract of each installed package that ``atom`` matches.

    Raises UsageError for what is no atom, OSError when the vdb cannot be read.
    """
    import portage
    from portage.exception import PortageException

    from portage_ext.host import contracts

    database = portage.db[portage.settings["EROOT"]]["vartree"].dbapi
    try:
        matches = database.match(atom)
    except (PortageException, ValueError) as error:  # ValueError: a name without category that several have
        raise UsageError(f"{atom!r} is neither a file nor a package atom ({type(error).__name__}: {error})") from error
    here = place()
    for cpv in matches:
        recorded = None if compute else contracts.recorded(database, cpv)
        contract = recorded if recorded is not None else contracts.from_files(database, cpv, here.root, here.eprefix)
        yield str(cpv), recorded is not None, contract
