"""An emerge on a host with pinned keys: what defeats verification is said first, and a refused index ends the run clearly.

Portage reads an index through ``portage.getbinpkg.file_get``. When that fails for a binrepo with a fetchcommand, Portage asks
once more for another form, and then stumbles over a variable of its own (an UnboundLocalError with a traceback). Ours has
asked every mirror for every form by then, so the first failure is the last: it becomes the ParseError that emerge expects
there, and ends with. Nothing else of Portage is touched, and nothing at all on a host without pinned keys.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from typing import Any

from portage import getbinpkg
from portage.exception import ParseError

from portage_ext import shown
from portage_ext.emerge import messages
from portage_ext.host.here import configured_binrepos
from portage_ext.trust.defeats import Defeat, find, is_ours

TRUST_DIRECTORY = "etc/portage/portage-ext/trust"
ORIGINAL: list[Callable[..., Any]] = []
"""Portage's own ``file_get``, once it is wrapped."""


def begin(emerge_config: Any) -> None:
    """Say what defeats verification, and have a refused index end the run."""
    settings = emerge_config.target_config.settings
    for defeat in defeats(settings):
        messages.line(f"verification is defeated: {defeat}")
    _wrap()


def defeats(settings: Any) -> list[Defeat]:
    """What defeats verification on this host, from Portage's own evaluation of its configuration."""
    place = os.path.join(settings["PORTAGE_CONFIGROOT"], TRUST_DIRECTORY)
    guarded = {name.removesuffix(".pins") for name in os.listdir(place) if name.endswith(".pins")}
    return find(frozenset(settings.features), settings["PKGDIR"], configured_binrepos(settings), guarded)


def _wrap() -> None:
    original = getbinpkg.file_get
    if ORIGINAL:
        return
    known = {"fcmd", "fcmd_vars"} <= inspect.signature(original).parameters.keys()
    if original.__module__ != getbinpkg.__name__ or not known:
        messages.line("a refused index will end with a traceback: portage.getbinpkg.file_get of this Portage is not known")
        return
    ORIGINAL.append(original)

    @functools.wraps(original)
    def file_get(*arguments: Any, **keywords: Any) -> Any:
        fetched = original(*arguments, **keywords)
        uri = (keywords.get("fcmd_vars") or {}).get("URI", "")
        if not fetched and is_ours(keywords.get("fcmd") or ""):
            raise ParseError(f" No verified index from {shown.line(os.path.dirname(uri))}: see the reason above")
        return fetched

    getbinpkg.file_get = file_get
