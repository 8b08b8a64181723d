"""What the binhosts say of themselves: each is asked once, and only when its index says that there is something to ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from portage_ext.config import settings as configuration
from portage_ext.config.settings import Settings
from portage_ext.emerge import messages
from portage_ext.errors import InvalidBuilderError, PortageExtError
from portage_ext.errors.trust import AllMirrorsFailedError, MirrorError, NotFoundError
from portage_ext.explain.candidates import CandidateTree
from portage_ext.fetch.builder import bound_by
from portage_ext.fetch.client import opened
from portage_ext.model import builder
from portage_ext.model.builder import Builder


class Binhosts:
    """The binrepos whose indexes ``tree`` has read."""

    def __init__(self, settings: Any, tree: CandidateTree) -> None:
        self._settings = settings
        self._tree = tree
        self._builders: dict[str, Builder | None] = {}
        self._own: Settings | None = None

    def builder(self, binrepo: str) -> Builder | None:
        """The builder.json that the index of ``binrepo`` binds; None when there is none, or it cannot be had."""
        if binrepo not in self._builders:
            self._builders[binrepo] = self._asked(binrepo)
        return self._builders[binrepo]

    def profile(self, binrepo: str) -> str:
        """The profile with which ``binrepo`` builds, as ``model.builder`` writes it; empty when unknown."""
        theirs = self.builder(binrepo)
        if theirs is not None:
            return theirs.profile
        # Portage writes it below the profiles of the main repository, or else with its whole path there.
        profile = self._tree.sources.get(binrepo, {}).get("PROFILE", "")
        main = self._settings.repositories.mainRepo()
        return f"{main.name}:{profile}" if main is not None and profile and not profile.startswith("/") else ""

    def _asked(self, name: str) -> Builder | None:
        header = self._tree.sources.get(name, {})
        if not header.get(builder.HEADER):
            return None
        root = Path(self._settings["PORTAGE_CONFIGROOT"])
        try:
            base, eroot = self._tree.uris[name].rstrip("/"), Path(self._settings["EROOT"])
            if self._own is None:
                self._own = configuration.load(root, client_only=True)
            with opened(name, base, settings=self._own, config_root=root, eroot=eroot) as binrepo:
                return bound_by(binrepo, header)
        except AllMirrorsFailedError as error:
            # It may be missing, and a binhost may be away; another one than the index binds is told.
            refused = [one for one in error.reasons if not isinstance(one, MirrorError | NotFoundError)]
            for one in refused:
                messages.line(str(one))
            return None
        except InvalidBuilderError as error:
            messages.line(str(error))
            return None
        except (PortageExtError, OSError):
            return None
