"""Contracts stay in every index that a run of emerge reads and writes: Portage drops keys of which it does not know.

That is the copy of a binhost's index in its cache, and PKGDIR/Packages when emerge puts what it has built into it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from portage.dbapi.bintree import binarytree

from portage_ext.errors import InvalidContractError, PackageError
from portage_ext.gpkg.contract import stored_contract
from portage_ext.host import probe, say
from portage_ext.host.contracts import keep_in_index
from portage_ext.model.contract import KEY

ORIGINALS: dict[str, Callable[..., Any]] = {}
"""Portage's own functions, by name, once they are patched."""
_EXPECTED: Final = probe.Expected(binarytree, "_pkgindex_entry", ("self", "cpv"), (binarytree._inject_file,))


def begin(emerge_config: Any) -> None:
    """Have the trees of this run, which have not been populated, keep contracts. Raises UnknownPortageError."""
    if not ORIGINALS:
        probe.check_function(_EXPECTED)
        probe.check_names(binarytree._new_pkgindex, "_pkgindex_allowed_pkg_keys")
        ORIGINALS["_pkgindex_entry"] = binarytree._pkgindex_entry
        binarytree._pkgindex_entry = _with_contract(binarytree._pkgindex_entry)
    for tree in emerge_config.trees.values():
        if "bintree" in tree:
            keep_in_index(tree["bintree"])


def _with_contract(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def _pkgindex_entry(self: Any, cpv: Any) -> Any:
        entry = original(self, cpv)
        if KEY in self._pkgindex_allowed_pkg_keys:
            try:
                contract = stored_contract(Path(self.getname(cpv)))
                if contract is not None:
                    entry[KEY] = str(contract)
            except (PackageError, InvalidContractError, OSError) as error:
                say.line(f"the contract of {cpv} is not in the index: {error}")
        return entry

    return _pkgindex_entry
