"""On a host with pinned keys, emerge first warns about settings that defeat verification."""

from __future__ import annotations

import os
from typing import Any, Final

from portage_ext.emerge import messages
from portage_ext.emerge.relevance import TRUST
from portage_ext.host import here
from portage_ext.host.here import configured_binrepos
from portage_ext.host.probe import Expectation
from portage_ext.trust.defeats import Defeat, find

EXPECTED: Final[tuple[Expectation, ...]] = here.EXPECTED


def begin(emerge_config: Any) -> None:
    """Warn about each setting that defeats verification."""
    for defeat in defeats(emerge_config.target_config.settings):
        messages.line(f"verification is defeated: {defeat}")


def end() -> None:
    """Do nothing."""


def defeats(settings: Any) -> list[Defeat]:
    """The settings of this host that defeat verification, from Portage's own evaluation of its configuration."""
    place = os.path.join(settings["PORTAGE_CONFIGROOT"], TRUST)
    guarded = {name.removesuffix(".pins") for name in os.listdir(place) if name.endswith(".pins")}
    return find(frozenset(settings.features), settings["PKGDIR"], configured_binrepos(settings), guarded)
