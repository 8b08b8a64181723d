"""A run that changes PKGDIR leaves a mark first. When an emerge ends, the work after it starts; ``after`` has the code.

``after`` is imported only when there is something to do: most runs change no PKGDIR that is published.
"""

from __future__ import annotations

import os
from typing import Any, Final

from portage_ext.emerge import messages
from portage_ext.emerge.relevance import MARKS
from portage_ext.host.probe import Expectation, Function, Names

EXPECTED: Final[tuple[Expectation, ...]] = (
    Function("portage.dbapi.bintree:binarytree.inject", ("self",)),
    Function("portage.dbapi.bintree:binarytree._pkgindex_write", ("self", "pkgindex")),
    Names("portage.dbapi.bintree:binarytree.__init__", ("pkgdir", "settings")),
    Function("_emerge.emergelog:emergelog", ("xterm_titles", "mystr")),
    Function("portage.elog:elog_process", ("cpv", "mysettings"), ("phasefilter",)),
    Function("portage.elog.messages:_make_msgfunction.__call__", ("self", "msg"), ("phase", "key", "out")),
    Function("portage.process:run_exitfuncs"),
)

_running: list[Any] = []
"""The configuration of the emerge in this process, if it is an emerge."""
_troubles: list[str] = []
"""Why marks could not be left. emerge hides output while it injects a package, so the reason is printed at the end."""


def begin(emerge_config: Any) -> None:
    """Note that this process is an emerge, so that :func:`end` will be called."""
    _running.append(emerge_config)


def before_change(tree: Any, *arguments: Any, **named: Any) -> None:
    """Leave a mark for the PKGDIR of ``tree``, a ``binarytree``."""
    try:
        from portage_ext.emerge import after

        after.mark(tree.settings["PORTAGE_CONFIGROOT"], tree.pkgdir, emerge=bool(_running))
    except Exception as error:  # noqa: BLE001 - Portage must go on without us, whatever broke
        trouble = f"{type(error).__name__}: {error}"
        if not _running:
            messages.line(f"after-emerge FAILED: the new packages are not published: {trouble}")
        elif trouble not in _troubles:
            _troubles.append(trouble)


def end() -> int:
    """Do the work after an emerge that may have changed PKGDIR. A run that did not change it only looks at one directory."""
    emerge_config = _running.pop()
    for trouble in _troubles:
        messages.line(f"after-emerge FAILED: the new packages are not published: {trouble}")
    status = 1 if _troubles else 0
    _troubles.clear()
    settings = emerge_config.target_config.settings
    root = settings["PORTAGE_CONFIGROOT"]
    if "--pretend" in emerge_config.opts or emerge_config.action in ("info", "list-sets", "search"):
        return status
    if not os.access(os.path.join(root, MARKS), os.W_OK):
        return status
    try:
        from portage_ext.emerge import after

        return after.finish(root, settings) or status
    except ModuleNotFoundError:
        return status  # this run has unmerged portage-ext
    except Exception as error:  # noqa: BLE001 - what was merged is merged, whatever broke here
        messages.line(f"after-emerge FAILED: {type(error).__name__}: {error}")
        return 1
