"""What the profile of a binhost would change here: Portage's own settings once more, with that profile instead of this host's.

Nothing is guessed from names: a flag or a mask is the profile's doing when it is not there under the other profile, with
everything else of this host as it is.
"""

from __future__ import annotations

import os
import shlex
from functools import cached_property
from typing import Any, Final

from _emerge.depgraph import _get_masking_status
from portage.const import PROFILE_PATH
from portage.package.ebuild.config import config

from portage_ext.explain.binhosts import Binhosts
from portage_ext.explain.verdict import OtherProfile
from portage_ext.host.builder import profile_name
from portage_ext.host.probe import Expectation, Function, Names

_CONFIG: Final = "portage.package.ebuild.config:config"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Function(
        f"{_CONFIG}.__init__",
        ("self",),
        ("config_profile_path", "config_root", "target_root", "sysroot", "eprefix", "repositories"),
    ),
    Names(f"{_CONFIG}.__init__", ("profile_path", "profiles", "repositories")),
    Function(f"{_CONFIG}.setcpv", ("self",)),
    Function("_emerge.depgraph:_get_masking_status", ("pkg", "pkgsettings", "root_config"), ("use",)),
    Names("portage.repository.config:RepoConfigLoader.__init__", ("prepos",)),
    Function("portage.repository.config:RepoConfigLoader.mainRepo", ("self",)),
)


class Elsewhere:
    """This host with another profile. ``directory`` is where that lies in a repository of this host."""

    def __init__(self, profile: OtherProfile, directory: str, settings: Any) -> None:
        self.profile = profile
        self._directory = directory
        self._settings = settings

    @cached_property
    def _theirs(self) -> Any:
        """None for a profile that is of no use here: one that Portage cannot read, or of another ARCH."""
        here = self._settings
        made = config(
            config_profile_path=self._directory,
            config_root=here["PORTAGE_CONFIGROOT"],
            target_root=here["ROOT"],
            sysroot=here["SYSROOT"],
            eprefix=here["EPREFIX"],
            repositories=here.repositories,
        )
        return made if made.profiles and made.get("ARCH") == here.get("ARCH") else None

    def use(self, ebuild: Any) -> frozenset[str] | None:
        """The flags that would be on for ``ebuild``, an ``_emerge.Package``; None when nobody can tell."""
        if self._theirs is None:
            return None
        self._theirs.setcpv(ebuild)
        return frozenset(self._theirs["PORTAGE_USE"].split())

    def masks(self, candidate: Any, root_config: Any) -> frozenset[str] | None:
        """What would mask ``candidate`` all the same, as Portage's categories; None when nobody can tell."""
        if self._theirs is None:
            return None
        status = _get_masking_status(candidate, self._theirs, root_config, use=candidate.use.enabled)
        return frozenset(reason.category for reason in status)


class Profiles:
    """The profiles of the binhosts that are not this host's, where a repository here has them."""

    def __init__(self, settings: Any, binhosts: Binhosts) -> None:
        self._settings = settings
        self._binhosts = binhosts
        self._here = profile_name(settings)
        self._known: dict[str, Elsewhere | None] = {}

    def of(self, binrepo: str | None) -> Elsewhere | None:
        """This host with the profile of ``binrepo``; None when it is the same one, unknown, or not in a repository here."""
        name = self._binhosts.profile(binrepo) if binrepo is not None else ""
        if name not in self._known:
            self._known[name] = self._made(name)
        return self._known[name]

    def _made(self, name: str) -> Elsewhere | None:
        repository, _, below = name.partition(":")
        if not below or name == self._here or repository not in self._settings.repositories.prepos:
            return None
        base = os.path.join(os.path.realpath(self._settings.repositories[repository].location), "profiles", "")
        directory = os.path.join(base, below)
        # The name comes from the binhost: it must not lead out of the profiles.
        if not os.path.isdir(directory) or not os.path.realpath(directory).startswith(base):
            return None
        link = os.path.join(self._settings["PORTAGE_CONFIGROOT"], PROFILE_PATH)
        switch = f"ln -sfn {shlex.quote(directory)} {shlex.quote(link)}" if os.path.islink(link) else ""
        return Elsewhere(OtherProfile(self._here, name, switch), directory, self._settings)
