"""Contracts stay in every index that a Portage program reads or writes, although Portage drops keys that it does not know.

In emerge's cached copy of a binhost's index they are kept while the index is read. In PKGDIR/Packages they are added whenever
emerge, ebuild, quickpkg or emaint writes it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

from portage_ext.emerge import messages
from portage_ext.errors import InvalidContractError, PackageError
from portage_ext.host import contracts
from portage_ext.host.contracts import keep_in_index
from portage_ext.host.probe import Expectation, Function, Names
from portage_ext.limits import INDEX_SIZE
from portage_ext.model.contract import KEY

_PATH: Final = re.compile(rb"^PATH: (.*)$", re.M)
_SAME_FILE: Final = ("CPV", "PATH", "_mtime_", "SIZE")
"""The values by which Portage recognises a file. In the text of the index the third is called MTIME."""

_TREE: Final = "portage.dbapi.bintree:binarytree"
EXPECTED: Final[tuple[Expectation, ...]] = (
    contracts.KEPT_IN_INDEX,
    Names(f"{_TREE}.__init__", ("_pkgindex_file", "pkgdir")),
    Function(f"{_TREE}._pkgindex_write", ("self", "pkgindex")),
    Names("portage.getbinpkg:PackageIndex.__init__", ("packages",)),
)


def begin(emerge_config: Any) -> None:
    """Have the trees of this run, which have not been populated, keep contracts."""
    for tree in emerge_config.trees.values():
        if "bintree" in tree:
            keep_in_index(tree["bintree"])


def end() -> None:
    """Do nothing: what the trees of this run read later keeps its contracts too."""


def before_write(tree: Any, pkgindex: Any) -> None:
    """Complete the index that ``tree`` is about to write. Raises OSError."""
    complete(tree, pkgindex.packages)


def complete(tree: Any, entries: list[Any]) -> None:
    """Add the missing contracts to ``entries``, which ``tree`` is about to write.

    They come from the current index in PKGDIR, and for new files from the files. Raises OSError.
    """
    # The next write has read them.
    keep_in_index(tree)
    lacking = [n for n, one in enumerate(entries) if KEY not in one and (one.get("REQUIRES") or one.get("PROVIDES"))]
    if not lacking:
        return
    known = dict(_recorded(_text(tree._pkgindex_file), {entries[n].get("PATH", "").encode() for n in lacking}))
    for n in lacking:
        entry = dict(entries[n].items())
        file = tuple(str(entry.get(key, "")) for key in _SAME_FILE)
        contract = known[file] if file in known else _stored(Path(tree.pkgdir), entry)
        if contract:
            # A new entry, because the entries of an older Portage accept only known keys.
            entries[n] = {**entry, KEY: contract}


def _text(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(INDEX_SIZE)
    except FileNotFoundError:
        return b""


def _recorded(text: bytes, paths: Collection[bytes]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Of each entry of the index ``text`` whose PATH is one of ``paths``: the file, and its contract or nothing."""
    header = text.find(b"\n\n")
    for match in _PATH.finditer(text, header) if header >= 0 else ():
        if match[1] in paths:
            begin, end = text.rfind(b"\n\n", 0, match.start()) + 2, text.find(b"\n\n", match.end())
            lines = text[begin : end if end >= 0 else None].decode("utf-8", "replace").split("\n")
            values = dict(line.split(": ", 1) for line in lines if ": " in line)
            values["_mtime_"] = values.get("MTIME", "")
            yield tuple(values.get(key, "") for key in _SAME_FILE), values.get(KEY, "")


def _stored(pkgdir: Path, entry: dict[str, Any]) -> str:
    if not entry.get("PATH"):
        return ""
    from portage_ext.gpkg.contract import stored_contract  # most packages of a run are known

    try:
        return str(stored_contract(Path(os.path.join(pkgdir, entry["PATH"]))) or "")
    except (PackageError, InvalidContractError) as error:
        messages.line(f"cannot add the symbol contract of {entry['CPV']} to the index: {error}")
        return ""
