"""A checked result is moved exactly once into the PKGDIR of its target's repository, where it is signed, indexed and published.
Each further target that wants the same job gets a copy in its own repository.

A target publishes through the repository with its name in portage-ext.toml ([repository.NAME]). The destination in PKGDIR is
recorded in the ledger before the file is moved. So if a run is killed in between, the next one completes it, and no package is
added twice. Signing, index, gates and release are the same as for every other package (``portage-ext after-emerge``).
"""

from __future__ import annotations

import glob
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

from portage_ext import files
from portage_ext.builds.ledger.entries import Entry, Share
from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.config.settings import Settings
from portage_ext.config.unattended import OFF
from portage_ext.errors.builds import BlockedError
from portage_ext.model import GPKG_SUFFIX, Cpv
from portage_ext.unattended.marks import HeldMark

_MOST_BUILDS: Final = 1_000_000


def pkgdir_of(name: str, settings: Settings) -> Path:
    """The PKGDIR for packages of the target ``name``. Raises BlockedError if portage-ext.toml does not set it."""
    repository = settings.publishing.repositories.get(name)
    if repository is None or repository.pkgdir is None:
        raise BlockedError(
            name,
            "has no place for its packages",
            f"add to portage-ext.toml: [repository.{name}] with tree and pkgdir, such as tree = "
            f'"/srv/binhost/{name}" and pkgdir = "/var/cache/binpkgs-{name}"',
        )
    if settings.unattended.after_emerge == OFF:
        raise BlockedError(
            name, "would build packages that nobody indexes", 'set after-emerge = "publish" or "index" in [binhost]'
        )
    return repository.pkgdir


def inject(entry: Entry, ledger: Ledger, pkgdir: Path, config_root: Path) -> Path:
    """Move the checked result of ``entry`` into ``pkgdir`` and leave a mark for after-emerge. Raises LedgerError, OSError."""
    from portage_ext.host.pkgdir import index_lock  # a plan does not need it

    files.make_directory(pkgdir)
    held = HeldMark(config_root, pkgdir)
    try:
        result = Path(entry.result)
        with index_lock(pkgdir):
            place = Path(entry.place) if entry.place else _free(pkgdir, Cpv.parse(entry.job.cpv))
            if not entry.place:
                ledger.set_place(entry.key, entry.fence, str(place))
            if result.exists():
                _put(result, place)
                shutil.rmtree(result.parent)
    finally:
        held.release()
    return place


def copy(share: Share, entry: Entry, ledger: Ledger, pkgdir: Path, config_root: Path) -> Share | None:
    """Copy the package of ``entry`` into ``pkgdir`` of a further target, and leave a mark for after-emerge.

    Returns the share as it is when that has worked; None if there is nothing to copy. Raises LedgerError, OSError.
    """
    from portage_ext.host.pkgdir import index_lock  # a plan does not need it

    files.make_directory(pkgdir)
    held = HeldMark(config_root, pkgdir)
    try:
        with index_lock(pkgdir):
            # Another process may have copied it meanwhile.
            lacking = {(one.key, one.target): one for one in ledger.shares()}
            found = lacking.get((share.key, share.target))
            if found is None or not os.path.exists(entry.place):
                return None
            if Path(entry.place).is_relative_to(pkgdir):
                place = Path(entry.place)  # both targets have the same repository
            else:
                begun = found.place and not found.fence
                place = Path(found.place) if begun else _free(pkgdir, Cpv.parse(entry.job.cpv))
            ledger.set_share(replace(found, place=str(place), fence=0))
            _put(Path(entry.place), place)
            return replace(found, place=str(place), fence=entry.fence)
    finally:
        held.release()


def _put(source: Path, place: Path) -> None:
    """Copy ``source`` to ``place``, unless an earlier run has. The caller holds the lock of PKGDIR. Raises OSError."""
    if place.exists():
        return
    files.make_directory(place.parent)
    for half in place.parent.glob(f"{glob.escape(files.TEMPORARY_PREFIX + place.name)}.*"):
        half.unlink(missing_ok=True)  # left by a run that was killed
    with files.replacing(place) as target, source.open("rb") as data:
        shutil.copyfileobj(data, target)


def _free(pkgdir: Path, cpv: Cpv) -> Path:
    """The first unused path for a build of this version, in Portage's layout for FEATURES=binpkg-multi-instance."""
    directory = pkgdir / cpv.category / cpv.pn
    for number in range(1, _MOST_BUILDS):
        path = directory / f"{cpv.pf}-{number}{GPKG_SUFFIX}"
        if not os.path.lexists(path):
            return path
    raise OSError(f"{directory} has {_MOST_BUILDS} builds of {cpv.pf}")
