"""Which release of a project an ebuild is made of: the newest that fits, is not yanked, has a source archive and metadata.

Pre-releases count only where they are asked for by name, or there is nothing else (PEP 440, "Handling of pre-releases").
"""

from __future__ import annotations

from collections.abc import Mapping

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from portage_ext.errors.pypi import NoReleaseError, NoSdistError, YankedError
from portage_ext.repositories.pypi.published.page import Release


def choose(releases: Mapping[Version, Release], specifiers: SpecifierSet, project: str) -> Release:
    """The release of ``project`` to use. Raises NoReleaseError, NoSdistError, YankedError, each about the best that fits."""
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
