"""The pages that the releases of a tree get, if ``site = true`` in [publish] asks for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from portage_ext.config.publishing import RepositorySettings
from portage_ext.host.buildtimes import builds_here
from portage_ext.pages.writing import About, Writer
from portage_ext.releases import roots
from portage_ext.releases.tree import Tree
from portage_ext.tasks.site import Site
from portage_ext.unattended import log

_RUNS: Final = 1
"""How many unattended runs the first page tells of."""


def writer(site: Site, tree: Tree, fingerprints: Sequence[str], warn: Callable[[str], None]) -> Writer | None:
    """What writes the pages of ``tree``, whose Releases the keys ``fingerprints`` sign; None if none are wanted.

    ``warn`` is told if a release gets no pages because of a defect in them.
    """
    if not site.settings.publishing.site:
        return None
    known = _settings(site, tree.root)
    title = known.title or tree.root.name
    runs = [(one.when, one.what, one.ok) for one in log.read(site.config_root)[-_RUNS:]]
    url = (known.url or "").rstrip("/")
    return Writer(About(title, url, fingerprints, roots.beside(tree.root), builds_here, runs, warn=warn))


def _settings(site: Site, place: Path) -> RepositorySettings:
    rules = site.settings.publishing
    for one in ([rules.own] if rules.own else []) + list(rules.repositories.values()):
        if os.path.abspath(one.tree) == str(place):
            return one
    return RepositorySettings(place)
