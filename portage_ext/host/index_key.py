"""Contracts stay in every index that a run of emerge reads and writes: Portage drops keys of which it does not know.

That is the copy of a binhost's index in its cache, and PKGDIR/Packages when emerge puts what it has built into it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from portage.dbapi.bintree import binarytree

from portage_ext.gpkg.contract import stored_contract
from portage_ext.host import patching, probe, say
from portage_ext.host.contracts import keep_in_index
from portage_ext.host.patching import Function, Patch
from portage_ext.model.contract import KEY

_EXPECTED: Final = probe.Expected(binarytree, "_pkgindex_entry", ("self", "cpv"), (binarytree._inject_file,))


def begin(emerge_config: Any) -> None:
    """Have the trees of this run, which have not been populated, keep contracts. Raises UnknownPortageError."""
    patching.apply([Patch(binarytree, "_pkgindex_entry", _with_contract)], _check)
    for tree in emerge_config.trees.values():
        if "bintree" in tree:
            keep_in_index(tree["bintree"])


def end() -> None:
    """Nothing: what the trees of this run write later has its contracts, too."""


def _check() -> None:
    probe.check_function(_EXPECTED)
    probe.check_names(binarytree._new_pkgindex, "_pkgindex_allowed_pkg_keys")


def _with_contract(original: Function) -> Function:
    def _pkgindex_entry(self: Any, cpv: Any) -> Any:
        entry = original(self, cpv)
        if KEY in self._pkgindex_allowed_pkg_keys:
            try:
                contract = stored_contract(Path(self.getname(cpv)))
                if contract is not None:
                    entry[KEY] = str(contract)
            except Exception as error:  # noqa: BLE001 - an index without it is what Portage writes by itself
                say.line(f"the contract of {cpv} is not in the index: {error}")
        return entry

    return _pkgindex_entry
