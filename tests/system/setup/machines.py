"""Machines that setup_hooks.sh is run on, each with a copy of what it was before."""

from __future__ import annotations

import filecmp
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.testkit import environments
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.environments import CHECKOUT
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

PORTAGES_OWN = (
    "etc/csh.env", "etc/environment.d", "etc/profile.env", "run/portage", "usr", "var/cache/binpkgs", "var/cache/edb",
    "var/db/pkg", "var/lib/portage", "var/log/emerge.log", "var/log/portage", "var/tmp/portage",
)  # fmt: skip
"""What any emerge leaves behind, on a system without portage-ext as well."""


@dataclass(slots=True)
class Machine:
    """``root`` is the system, ``before`` a copy of it made when it was fresh."""

    root: Root
    before: Path

    @classmethod
    def fresh(cls, path: Path, repository: EbuildRepository, **settings: str) -> Machine:
        root = Root.create(path, environments.environment(), [repository], **settings)
        before = path.with_name(path.name + ".before")
        shutil.copytree(path, before, symlinks=True)
        return cls(root, before)

    def setup(self, *arguments: str) -> Outcome:
        """Run the installer here; it asks nothing."""
        script = str(CHECKOUT / "setup_hooks.sh")
        return self.root.run("bash", script, "--root", str(self.root.path), "--yes", *arguments)

    def choice(self, name: str) -> str:
        """What the installer remembers under ``name``."""
        lines = (self.root.path / "var/lib/portage-ext/setup/choices").read_text().splitlines()
        return dict(line.split("\t", 1) for line in lines)[name]

    def differences(self) -> set[str]:
        """The paths that are not as they were before, as `diff -r` finds them, but for what any emerge leaves behind."""
        return {path for path in _differences(self.before, self.root.path, "") if not _within(path, PORTAGES_OWN)}


def _within(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


def _differences(before: Path, after: Path, path: str) -> set[str]:
    compared = filecmp.dircmp(before, after, ignore=[], hide=[])
    names = {*compared.left_only, *compared.right_only, *compared.common_funny}
    _, other, failed = filecmp.cmpfiles(before, after, compared.common_files, shallow=False)
    found = {f"{path}{name}" for name in (*names, *other, *failed)}
    for name in compared.common_dirs:
        if not (before / name).is_symlink():
            found |= _differences(before / name, after / name, f"{path}{name}/")
    return found
