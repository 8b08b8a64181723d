"""Where contracts come from: the index of a binhost, a package file, the vdb, or the installed files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from portage.util import grabfile

from portage_ext.errors import InvalidContractError, PackageError
from portage_ext.host.probe import Attribute, Expectation, Function, Names
from portage_ext.limits import CONTRACT_SIZE
from portage_ext.model.contract import KEY, Library, SymbolContract

_TREE: Final = "portage.dbapi.bintree:binarytree"
_DATABASE: Final = "portage.dbapi.vartree:vardbapi"
KEPT_IN_INDEX: Final[Expectation] = Names(f"{_TREE}.__init__", ("_pkgindex_allowed_pkg_keys",))
OF_BINARIES: Final[tuple[Expectation, ...]] = (
    Names("portage.dbapi.virtual:fakedbapi.__init__", ("cpvdict",)),
    Names(f"{_TREE}.isremote", ("_instance_key", "_remotepkgs")),
    Names(f"{_TREE}.__init__", ("_remotepkgs", "dbapi")),
    Function(f"{_TREE}.isremote", ("self", "pkgname")),
    Function(f"{_TREE}.getname", ("self", "cpv")),
    Attribute("_emerge.Package:Package._metadata"),
)
OF_INSTALLED: Final[tuple[Expectation, ...]] = (
    Function(f"{_DATABASE}.getpath", ("self", "mykey"), ("filename",)),
    Function(f"{_DATABASE}.aux_get", ("self", "mycpv", "wants")),
    Function(f"{_DATABASE}.match", ("self", "origdep")),
    Function(f"{_DATABASE}.cpv_all", ("self",)),
    Function("portage.util:grabfile", ("myfilename",)),
    Function("portage.versions:cpv_getkey", ("mycpv",)),
)
EXPECTED: Final[tuple[Expectation, ...]] = (KEPT_IN_INDEX, *OF_BINARIES, *OF_INSTALLED)


def keep_in_index(tree: Any) -> None:
    """Make ``tree`` (a ``binarytree`` that has not been populated) keep the contracts of an index."""
    tree._pkgindex_allowed_pkg_keys.add(KEY)


def of_binary(tree: Any, package: Any, eprefix: str) -> SymbolContract | None:
    """The contract of a binary that may not have been fetched yet; None if none is recorded."""
    key = tree.dbapi._instance_key(package.cpv)
    text = (tree._remotepkgs or {}).get(key, {}).get(KEY) or (tree.dbapi.cpvdict.get(key) or {}).get(KEY)
    if not text and not (package._metadata.get("REQUIRES") or package._metadata.get("PROVIDES")):
        return SymbolContract()
    if not text and not tree.isremote(package.cpv):
        # Imported here and below: an emerge that only builds needs none of it.
        from portage_ext.gpkg.contract import stored_contract

        path = tree.getname(package.cpv)
        try:
            found = stored_contract(Path(path)) if path else None
        except (PackageError, InvalidContractError):
            return None  # damaged, or of a later format: the guard checks the image
        return found.placed(eprefix) if found is not None else None
    return _parsed(text, eprefix)


def in_index(tree: Any, cpv: Any, eprefix: str) -> SymbolContract | None:
    """The contract of a binary of ``tree``, from the index."""
    key = tree.dbapi._instance_key(cpv)
    return _parsed((tree._remotepkgs or {}).get(key, {}).get(KEY) or (tree.dbapi.cpvdict.get(key) or {}).get(KEY), eprefix)


def of_index_entry(entry: dict[str, str], soname: str, eprefix: str) -> SymbolContract | None:
    """The contract of an index entry, if it may define ``soname``."""
    text = entry.get(KEY, "")
    return _parsed(text, eprefix) if f" {soname}" in text.partition(" < ")[2] else None


def of_installed(database: Any, cpv: str, root: Path, eprefix: str) -> SymbolContract:
    """The contract of an installed package: as recorded, else computed from its files. Raises OSError."""
    contract = recorded(database, cpv, eprefix)
    return contract if contract is not None else from_files(database, cpv, root, eprefix)


def recorded(database: Any, cpv: str, eprefix: str) -> SymbolContract | None:
    """The contract in the vdb; None if there is none. Raises OSError."""
    try:
        with open(database.getpath(cpv, filename=KEY), "rb") as file:
            return _parsed(file.read(CONTRACT_SIZE + 1).decode("utf-8", "replace"), eprefix)
    except FileNotFoundError:
        return None


class InstalledObject(NamedTuple):
    """``path`` is absolute within the root; ``library`` is the name by which other objects need it.

    ``search`` is its RUNPATH, as directories, and ``needed`` the libraries that it needs.
    """

    path: str
    library: Library
    program: bool
    search: tuple[str, ...]
    needed: frozenset[str]


def installed_objects(database: Any, cpv: str) -> Iterator[InstalledObject]:
    """The ELF objects of an installed package. Damaged lines, also those with NUL, are left out."""
    from portage_ext.elf.places import expand

    # ``arch;path;soname;rpath;needed;category``: what Portage found by scanelf when it was built.
    for line in grabfile(database.getpath(cpv, filename="NEEDED.ELF.2")):
        words = line.split(";")
        if len(words) > 4 and "\0" not in line:
            category = words[5] if len(words) > 5 else ""
            directory, _, name = words[1].rpartition("/")
            # scanelf says nothing of the kind of an object: without a soname, and not called like a library, it is a program.
            program = not words[2] and ".so" not in name
            search = tuple(expand(tuple(filter(None, words[3].split(":"))), directory, category))
            yield InstalledObject(words[1], (category, words[2] or name), program, search, frozenset(words[4].split(",")))


def from_files(database: Any, cpv: str, root: Path, eprefix: str) -> SymbolContract:
    """The contract computed from the installed files."""
    paths = [one.path for one in installed_objects(database, cpv)]
    if not paths:
        return SymbolContract()
    from portage_ext.elf.system import System
    from portage_ext.elf.tree import read_files

    objects = read_files(root, paths, eprefix=eprefix)
    return objects.contract(eprefix=eprefix, public=System(root, eprefix).directories)


def _parsed(text: str | None, eprefix: str) -> SymbolContract | None:
    if not text:
        return None
    try:
        return SymbolContract.parse(text).placed(eprefix)
    except InvalidContractError:
        return None  # of a later format, or damaged: the guard checks the image
