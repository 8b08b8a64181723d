"""An index that ours refuses ends emerge clearly, on a host with pinned keys.

Portage reads an index through ``portage.getbinpkg.file_get``. When that fails for a binrepo with a fetchcommand, Portage asks
once more for another form, and then stumbles over a variable of its own (an UnboundLocalError with a traceback). Ours has
asked every mirror for every form by then, so the first failure is the last: it becomes the ParseError that emerge expects
there, and ends with. Nothing else of Portage is touched, and nothing at all on a host without pinned keys.
"""

from __future__ import annotations

import os
from typing import Any, Final

from portage import getbinpkg
from portage.exception import ParseError

from portage_ext import shown
from portage_ext.emerge import patching
from portage_ext.emerge.patching import Function, Patch
from portage_ext.host.probe import Expectation
from portage_ext.host.probe import Function as Expected
from portage_ext.trust.defeats import is_ours

EXPECTED: Final[tuple[Expectation, ...]] = (
    Expected(
        "portage.getbinpkg:file_get",
        keywords=("fcmd", "fcmd_vars"),
        callers=("portage.dbapi.bintree:binarytree._populate_remote_repo",),
    ),
)


def begin(emerge_config: Any) -> None:
    """Have a refused index end this run."""
    patching.apply(_PATCHES)


def end() -> None:
    """Nothing: outside a run nobody fetches an index."""


def _refusing(original: Function) -> Function:
    def file_get(*arguments: Any, **keywords: Any) -> Any:
        fetched = original(*arguments, **keywords)
        uri = (keywords.get("fcmd_vars") or {}).get("URI", "")
        if not fetched and is_ours(keywords.get("fcmd") or ""):
            raise ParseError(f" No verified index from {shown.line(os.path.dirname(uri))}: see the reason above")
        return fetched

    return file_get


_PATCHES: Final = (Patch(getbinpkg, "file_get", _refusing),)
