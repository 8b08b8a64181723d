"""Portage's own ``config`` of a system that is nothing but its files: an empty profile and /etc/portage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from portage.package.ebuild.config import config
from portage.versions import _pkg_str

from tests.testkit.ebuilds import EbuildRepository


class System:
    """The files of a system below ``root``; :meth:`config` reads them as they are."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.etc = root / "etc/portage"
        self._repository = EbuildRepository.create(root / "repo")
        self.write("repos.conf", f"[DEFAULT]\nmain-repo = tiny\n\n[tiny]\nlocation = {self._repository.location}\n")
        (self.etc / "make.profile").symlink_to(self._repository.location / "profiles/default/linux/amd64")

    def write(self, name: str, text: str) -> Path:
        """A file below /etc/portage."""
        path = self.etc / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def config(self, **environment: str) -> Any:
        """What Portage makes of it, with nothing else in the environment."""
        return config(config_root=str(self.root), target_root=str(self.root), eprefix="", env=environment)


def package(cpv: str) -> Any:
    """A package of the repository, in slot 0."""
    return _pkg_str(cpv, slot="0", repo="tiny")
