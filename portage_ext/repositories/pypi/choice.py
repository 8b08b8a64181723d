"""An ebuild is made from the newest release that fits, is not yanked, and has a source archive and metadata.

Pre-releases are used only if they are requested explicitly or there is nothing else (PEP 440, "Handling of pre-releases").
"""

from __future__ import annotations

from collections.abc import Mapping

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from portage_ext.errors.pypi import NoReleaseError, NoSdistError, YankedError
from portage_ext.repositories.pypi.published.page import Release


def choose(releases: Mapping[Version, Release], specifiers: SpecifierSet, project: str) -> Release:
    """Choose the release of ``project``. Raises NoReleaseError, NoSdistError, YankedError, each about the best fitting
    release."""
    usable = {version: one for version, one in releases.items() if not version.local and not version.epoch}
    fitting = sorted(specifiers.filter(usable), reverse=True)
    if not fitting:
        newest = max(usable, default=None)
        said = f"; the newest is {newest}" if newest is not None else ""
        raise NoReleaseError(project, f"no version of it is {specifiers}{said}" if str(specifiers) else "it has no release")
    good = [version for version in fitting if usable[version].yanked is None]
    if not good:
        raise YankedError(f"{project} {fitting[0]}", usable[fitting[0]].yanked or "")
    with_source = [one for one in good if (file := usable[one].sdist) is not None and file.yanked is None]
    if not with_source:
        raise NoSdistError(f"{project} {good[0]}")
    return usable[with_source[0]]
