"""What is new in PKGDIR is signed, and then indexed: the index learns of a package only when it carries its signature.

What the index knows was signed when it came in, so that only new and changed packages are opened; one that cannot be signed
stays new, and the next run tries again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from portage_ext.errors import PackageError
from portage_ext.failures import UnsignedPackagesError
from portage_ext.files import TEMPORARY_PREFIX
from portage_ext.gpkg.identity import GPKG_SUFFIX
from portage_ext.gpkg.sign import Signer
from portage_ext.gpkg.verify import Judge
from portage_ext.repo.reindex import Reindexer, Report
from portage_ext.repo.signing import sign_pkgdir


@dataclass(frozen=True, slots=True)
class Upkept:
    """What was signed now, paths relative to PKGDIR, and what the index made of it."""

    signed: Sequence[str]
    report: Report


def sign_and_index(reindexer: Reindexer, signer: Signer | None, judge: Judge) -> Upkept:
    """Sign what is new with ``signer`` (None: sign nothing) unless ``judge`` finds it signed, and bring the index up to date.

    The caller holds the lock of PKGDIR. Raises UnsignedPackagesError, and then the index is as it was; else what
    :meth:`Reindexer.run` raises.
    """
    if signer is None:
        return Upkept((), reindexer.run())
    pkgdir = reindexer.repository.pkgdir
    new = [pkgdir / path for path in reindexer.unknown() if path.endswith(GPKG_SUFFIX)]
    signed: list[str] = []
    if new:
        _remove_leftovers({path.parent for path in new})
        done = sign_pkgdir(new, signer, judge)
        # A file that is no package is no matter of signatures: the index leaves it out, by name.
        failed = {path: error for path, error in done.failed.items() if not isinstance(error, PackageError)}
        if failed:
            path, error = min(failed.items())
            raise UnsignedPackagesError(str(pkgdir), len(failed), str(path.relative_to(pkgdir)), str(error))
        signed = [str(path.relative_to(pkgdir)) for path in done.signed]
    # Under the same lock everything was just looked at; only what was signed is another file now.
    return Upkept(signed, reindexer.run(only=signed))


def _remove_leftovers(directories: Iterable[Path]) -> None:
    """Remove what a run that was killed while it signed left beside its package. Only the holder of the lock signs."""
    for directory in directories:
        for path in directory.glob(f"{TEMPORARY_PREFIX}*.gpkg.tar.*"):
            path.unlink(missing_ok=True)
