"""Installed packages by atom, for the commands: the vdb of ROOT as Portage knows it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from portage_ext.errors import RequestError
from portage_ext.host import probe
from portage_ext.host.probe import Expectation, Function, Names
from portage_ext.limits import METADATA_VALUE
from portage_ext.model.contract import SymbolContract

_DATABASE: Final = "portage.dbapi.vartree:vardbapi"
_TREE: Final = "portage.dbapi.bintree:binarytree"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Function(f"{_DATABASE}.match", ("self", "origdep")),
    Function(f"{_DATABASE}.getpath", ("self", "mykey"), ("filename",)),
    Function(f"{_DATABASE}._dblink", ("self", "cpv")),
    Function("portage.dbapi.vartree:dblink.getcontents", ("self",)),
    Function(f"{_TREE}.populate", ("self",), ("getbinpkgs",)),
    Function(f"{_TREE}.getname", ("self", "cpv")),
    Names(f"{_TREE}.__init__", ("dbapi",)),
    Function("portage.dbapi.bintree:bindbapi.match", ("self",)),
)
LOSS: Final = "`portage-ext show` and `contract` cannot look at installed packages"


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

    Raises RequestError for what is no atom, OSError when the vdb cannot be read.
    """
    from portage_ext.host import contracts

    _, database = vdb()
    here = place()
    for cpv in installed(database, atom):
        recorded = None if compute else contracts.recorded(database, cpv, here.eprefix)
        contract = recorded if recorded is not None else contracts.from_files(database, cpv, here.root, here.eprefix)
        yield str(cpv), recorded is not None, contract


def vdb() -> tuple[Any, Any]:
    """Portage's settings and its database of installed packages. Raises UnknownPortageError."""
    import portage

    from portage_ext.host import contracts

    probe.check(LOSS, (*EXPECTED, *contracts.OF_INSTALLED))
    return portage.settings, portage.db[portage.settings["EROOT"]]["vartree"].dbapi


def installed(database: Any, atom: str) -> list[Any]:
    """The installed packages, Portage's CPV values, that ``atom`` matches. Raises RequestError for what is no atom."""
    from portage.exception import PortageException

    try:
        return list(database.match(atom))
    except (PortageException, ValueError) as error:  # ValueError: a name without category that several have
        raise _no_atom(atom, error) from error


def every_package(database: Any) -> Iterator[tuple[str, str]]:
    """Each installed package, in order: its CPV, and ``category/name:slot`` as emerge takes it."""
    from portage.versions import cpv_getkey

    for cpv in sorted(map(str, database.cpv_all())):
        slot = database.aux_get(cpv, ["SLOT"])[0].partition("/")[0]
        yield cpv, f"{cpv_getkey(cpv)}:{slot}"


def _no_atom(text: str, error: Exception) -> RequestError:
    """What to say of a word that Portage does not take for an atom."""
    several = error.args[0] if error.args else None
    if isinstance(several, list):  # Portage lists what a name without a category may mean
        return RequestError(f"several packages are called {text}: {', '.join(map(str, several))}. Name one with its category")
    return RequestError(f"{text} is neither a file that is there nor a package atom such as dev-libs/openssl")


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """An installed package: its name, its values by key, and its files (CONTENTS)."""

    cpv: str
    values: dict[str, str]
    files: tuple[str, ...]


def matching(atom: str, keys: tuple[str, ...]) -> tuple[list[InstalledPackage], list[Path]]:
    """The installed packages that ``atom`` matches, and the package files of PKGDIR. Raises RequestError, OSError."""
    import portage
    from portage.exception import PortageException

    probe.check(LOSS, EXPECTED)
    trees = portage.db[portage.settings["EROOT"]]
    installed, tree = trees["vartree"].dbapi, trees["bintree"]
    try:
        tree.populate(getbinpkgs=False)
        found, binaries = installed.match(atom), tree.dbapi.match(atom)
    except (PortageException, ValueError) as error:
        raise _no_atom(atom, error) from error
    packages = [InstalledPackage(str(cpv), _values(installed, cpv, keys), _files(installed, cpv)) for cpv in found]
    return packages, [Path(name) for cpv in binaries if (name := tree.getname(cpv)) and Path(name).is_file()]


def _values(database: Any, cpv: str, keys: tuple[str, ...]) -> dict[str, str]:
    values: dict[str, str] = {}
    for key in keys:
        with contextlib.suppress(FileNotFoundError), open(database.getpath(cpv, filename=key), "rb") as file:
            values[key] = " ".join(file.read(METADATA_VALUE).decode("utf-8", "replace").split())
    return values


def _files(database: Any, cpv: str) -> tuple[str, ...]:
    contents = database._dblink(cpv).getcontents()
    return tuple(path for path, entry in contents.items() if entry[0] != "dir")
