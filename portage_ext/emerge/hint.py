"""One line before emerge's list when packages will be compiled although a binary was expected, with the command that says why.

It uses what the run already knows, without a second resolution. A package counts if getbinpkg is on for it and a binary of its
slot was a candidate and was rejected. A package that package.env names in full counts even without a candidate, because an
administrator expects a binary. With a wildcard or getbinpkg for the whole run, packages without a binary do not count.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from typing import Any, Final

from _emerge.depgraph import depgraph

from portage_ext.emerge import messages, options, patching, session
from portage_ext.emerge.patching import Function, Patch
from portage_ext.host.probe import Expectation, Names
from portage_ext.host.probe import Function as Expected

_SAID: Final = "_portage_ext_hinted"
_NAMED: Final = 6
"""Packages that the line names at most."""

_active = False


def begin(emerge_config: Any) -> None:
    """Start to check the list of this run."""
    global _active
    _active = False
    if "--quiet" in emerge_config.opts:
        return
    patching.apply(_PATCHES)
    _active = True


def end() -> None:
    """Stop."""
    global _active
    _active = False


def _wrap(original: Function) -> Function:
    def first_say(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _active and not getattr(self, _SAID, False):
            setattr(self, _SAID, True)
            try:
                _hint(self)
            except Exception as error:  # noqa: BLE001 - only words are lost
                why = f"{type(error).__name__}: {error}"
                messages.line(f"cannot tell which packages will be compiled although a binary was expected: {why}")
        return original(self, *args, **kwargs)

    return first_say


# The first shows the list; the second passes it to the scheduler when it is not shown.
_PATCHES: Final = (Patch(depgraph, "display", _wrap), Patch(depgraph, "schedulerGraph", _wrap))
_GRAPH: Final = "_emerge.depgraph:depgraph"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Expected(f"{_GRAPH}.display", ("self", "mylist")),
    Expected(f"{_GRAPH}.schedulerGraph", ("self",)),
    Names(f"{_GRAPH}.altlist", ("_dynamic_config", "_serialized_tasks_cache")),
    Expected("portage.dbapi.bintree:bindbapi.cp_list", ("self",)),
    *options.EXPECTED,
)


def _hint(graph: Any) -> None:
    names = list(dict.fromkeys(package.cp for package in _fallen_back(graph)))
    if not names:
        return
    count = f"{len(names)} {'package' if len(names) == 1 else 'packages'}"
    if session.current is not None and not session.current.run.on:
        count = count.replace(" ", " whitelisted ")
    reason = "reason" if len(names) == 1 else "reasons"
    more = f" # and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    # The same question: what was asked for is what holds a binary back, or lets one in.
    chosen = [word for _, word in options.deciding(options.on_the_command_line(sys.argv[1:]))]
    asked = f" -- {shlex.join(chosen)}" if chosen else ""
    question = f"portage-ext why {' '.join(names[:_NAMED])}{asked}{more}"
    messages.line(f"{count} will be compiled. For the {reason}, run: {question}")


def _fallen_back(graph: Any) -> Iterator[Any]:
    current = session.current
    for package in graph._dynamic_config._serialized_tasks_cache or ():
        if getattr(package, "type_name", "") != "ebuild" or package.operation != "merge":
            continue
        named = False
        if current is not None:
            whitelist = current.whitelist(package.root_config.settings)
            if not whitelist.is_on(package.cpv):
                continue
            named = not current.run.on and package.cp in whitelist.listed
        binaries = package.root_config.trees["bintree"].dbapi
        if named or any(one.slot == package.slot for one in binaries.cp_list(package.cp)):
            yield package
