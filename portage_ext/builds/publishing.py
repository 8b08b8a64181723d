"""A checked result is moved exactly once into the PKGDIR of its target's repository, where it is signed, indexed and published.

A target publishes through the repository with its name in portage-ext.toml ([repository.NAME]). The destination in PKGDIR is
recorded in the ledger before the file is moved. So if a run is killed in between, the next one completes it, and no package is
added twice. Signing, index, gates and release are the same as for every other package (``portage-ext after-emerge``).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from portage_ext import files
from portage_ext.builds.entries import Entry
from portage_ext.builds.ledger import Ledger
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
    from portage_ext.host.pkgdir import index_lock  # whoever only plans does not need it

    files.make_directory(pkgdir)
    held = HeldMark(config_root, pkgdir)
    try:
        result = Path(entry.result)
        with index_lock(pkgdir):
            place = Path(entry.place) if entry.place else _free(pkgdir, Cpv.parse(entry.job.cpv))
            if not entry.place:
                ledger.set_place(entry.key, entry.fence, str(place))
            if result.exists():
                if not place.exists():
                    files.make_directory(place.parent)
                    with files.replacing(place) as target, result.open("rb") as source:
                        shutil.copyfileobj(source, target)
                shutil.rmtree(result.parent)
    finally:
        held.release()
    return place


def _free(pkgdir: Path, cpv: Cpv) -> Path:
    """The first unused path for a build of this version, in Portage's layout for FEATURES=binpkg-multi-instance."""
    directory = pkgdir / cpv.category / cpv.pn
    for number in range(1, _MOST_BUILDS):
        path = directory / f"{cpv.pf}-{number}{GPKG_SUFFIX}"
        if not os.path.lexists(path):
            return path
    raise OSError(f"{directory} has {_MOST_BUILDS} builds of {cpv.pf}")
