"""The system that a run works on: where its files are, and the whole of portage-ext.toml, read once.

A program first makes a Site and passes it to the tasks::

    site = Site.read(Path("/"))
    publishing.publish(site)

Portage itself reads PORTAGE_CONFIGROOT, ROOT and EPREFIX from the environment when it is imported. A program that works on
another system must set them before that.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from portage_ext.config import settings as configuration
from portage_ext.config.settings import FetchSettings, Settings
from portage_ext.records import record, replace

# Modules that only some tasks need are imported on demand: a process fetches a single package and must start fast.
if TYPE_CHECKING:
    from portage_ext.fetch.binrepo import Binrepo
    from portage_ext.releases.tree import Tree


@record
class Site:
    """PORTAGE_CONFIGROOT, EROOT (where state is kept), and what portage-ext.toml says."""

    config_root: Path
    eroot: Path
    settings: Settings

    @classmethod
    def read(cls, config_root: Path, eroot: Path | None = None, *, client_only: bool = False) -> Site:
        """The system whose configuration is below ``config_root``; ``eroot`` defaults to the same directory.

        ``client_only`` as for :func:`config.settings.load`. Raises SettingsError, ToolchainModeError.
        """
        return cls(config_root, eroot or config_root, configuration.load(config_root, client_only=client_only))

    def with_patience(self, patience: FetchSettings) -> Site:
        """The same Site with other timeouts for transfers."""
        return replace(self, settings=replace(self.settings, fetch=patience))

    def tree(self, repository: str | None = None, place: Path | None = None) -> Tree:
        """The published tree of [publish], or of [repository.NAME]; or the one at ``place``. Raises RequestError."""
        from portage_ext.releases.tree import Tree

        root = place or self.settings.publishing.repository(repository).tree
        return Tree(Path(os.path.abspath(root)))

    def channel(self) -> str:
        """The default channel for a PKGDIR."""
        return self.settings.publishing.channel or self.settings.release.channel

    def binrepo(
        self,
        name: str,
        base: str,
        *,
        warn: Callable[[str], None] = lambda text: None,
        progress: Callable[[int], None] = lambda count: None,
    ) -> AbstractContextManager[Binrepo]:
        """The binrepo ``name`` at the URL ``base``; see :func:`fetch.client.opened`. Raises UsageError."""
        from portage_ext.fetch.client import opened

        return opened(
            name,
            base,
            settings=self.settings,
            config_root=self.config_root,
            eroot=self.eroot,
            warn=warn,
            progress=progress,
        )
