"""Packages.gz is compressed quickly while emerge runs on a binhost, because the work after it writes that file again.

Portage compresses the whole index for each package that is built. The best level takes three times as long as the quickest,
whose file is a third larger. The text is the same, so nothing depends on the work after emerge.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from portage.dbapi import bintree

from portage_ext.emerge import patching
from portage_ext.emerge.patching import Function, Patch
from portage_ext.host.probe import Expectation, Names

EXPECTED: Final[tuple[Expectation, ...]] = (Names("portage.dbapi.bintree:binarytree._pkgindex_write", ("GzipFile",)),)
_QUICKEST: Final = 1


def begin(emerge_config: Any) -> None:
    """Have the index compressed quickly in a run that has left a mark."""
    patching.apply(_PATCHES)


def end() -> None:
    """Do nothing: a run that leaves no mark compresses as usual."""


def _quickly(original: Function) -> Function:
    def GzipFile(*arguments: Any, **named: Any) -> Any:  # noqa: N802 (it replaces a class)
        if not arguments and named.get("mode") == "wb" and _written_again():
            named.setdefault("compresslevel", _QUICKEST)
        return original(*arguments, **named)

    return GzipFile


def _written_again() -> bool:
    # A mark comes before each change, and its module with the first.
    after = sys.modules.get("portage_ext.emerge.after")
    return after is not None and bool(after.marked())


_PATCHES: Final = (Patch(bintree, "GzipFile", _quickly),)
