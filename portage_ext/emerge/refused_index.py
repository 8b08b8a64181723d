"""On a host with pinned keys, an index that our fetcher refuses ends emerge with a clear message.

Portage reads an index through ``portage.getbinpkg.file_get``. If that fails for a binrepo with a fetchcommand, Portage asks
for another form and then fails with an UnboundLocalError and a traceback. Our fetcher has asked every mirror for every form by
then, so the first failure is final: it becomes the ParseError that emerge expects there. Nothing else of Portage is changed,
and nothing at all on a host without pinned keys.
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
    """Make a refused index end this run."""
    patching.apply(_PATCHES)


def end() -> None:
    """Do nothing: no index is fetched outside a run."""


def _refusing(original: Function) -> Function:
    def file_get(*arguments: Any, **keywords: Any) -> Any:
        fetched = original(*arguments, **keywords)
        uri = (keywords.get("fcmd_vars") or {}).get("URI", "")
        if not fetched and is_ours(keywords.get("fcmd") or ""):
            raise ParseError(f" No verified index from {shown.line(os.path.dirname(uri))}: see the reason above")
        return fetched

    return file_get


_PATCHES: Final = (Patch(getbinpkg, "file_get", _refusing),)
