"""The documents of a release of this host's PKGDIR: a saved one as it is, so that an unattended run publishes no half-edited
configuration."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from portage_ext.model import attached
from portage_ext.releases.contents import Contents
from portage_ext.tasks.site import Site

STATE: Final = "var/lib/portage-ext/published"


def saved(eroot: Path) -> Path:
    """Where `portage-ext config publish` saves what releases carry from then on."""
    return eroot / STATE / attached.CONFIG


def of(site: Site, repository: str | None) -> Callable[[Contents], Mapping[str, bytes]]:
    """What makes the documents of a release; the configuration only goes with the packages of [publish]."""

    def documents(new: Contents) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        if repository is None:
            with contextlib.suppress(FileNotFoundError):
                found[attached.CONFIG] = saved(site.eroot).read_bytes()
        return found

    return documents
