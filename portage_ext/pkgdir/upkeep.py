"""Sign new packages of PKGDIR and then index them: the index lists a package only after it is signed.

The state records which packages were signed by this key, so only the others are opened: new and changed packages, and those
indexed by a run that did not sign. A package that cannot be signed is left out, and the next run tries it again; the other
packages are indexed. If the key cannot sign at all, nothing is indexed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from portage_ext.errors import MassRemovalError
from portage_ext.errors.releases import UnsignedPackagesError
from portage_ext.errors.trust import GpgError
from portage_ext.files import TEMPORARY_PREFIX
from portage_ext.gpkg.sign import Signer
from portage_ext.gpkg.verify import XPAK_UNSIGNED, Judge, Matched, reason
from portage_ext.model import GPKG_SUFFIX
from portage_ext.pkgdir.changes import Vouched
from portage_ext.pkgdir.reindex import Reindexer, Report
from portage_ext.pkgdir.signing import sign_pkgdir


@dataclass(frozen=True, slots=True)
class Upkept:
    """The packages that were signed (paths relative to PKGDIR), the report of the indexing, and the withheld packages."""

    signed: Sequence[str]
    report: Report
    unsigned: UnsignedPackagesError | None = None


def sign_and_index(
    reindexer: Reindexer,
    signer: Signer,
    judge: Judge,
    fingerprint: str,
    *,
    force: bool = False,
    xpak: bool = True,
    matched: Matched | None = None,
) -> Upkept:
    """Sign with ``signer``, whose key is ``fingerprint``, what ``judge`` does not find signed, and bring the index up to date.

    Without ``xpak`` packages of that format, which cannot be signed, are left out too. ``force`` as for the index, ``matched``
    as for :func:`sign_pkgdir`. The caller holds the lock of PKGDIR. Raises UnsignedPackagesError when gpg signs nothing, and
    then the index is as it was; else what :meth:`Reindexer.run` raises.
    """
    pkgdir = reindexer.repository.pkgdir
    unsigned = reindexer.unsigned(fingerprint)
    new = [pkgdir / path for path in unsigned if path.endswith(GPKG_SUFFIX)]
    signed: list[str] = []
    vouched: frozenset[str] = frozenset()
    why: dict[str, str] = {}
    if new:
        _remove_leftovers({path.parent for path in new})
        done = sign_pkgdir(new, signer, judge, matched=matched)
        signed = [str(path.relative_to(pkgdir)) for path in done.signed]
        vouched = frozenset([*signed, *(str(path.relative_to(pkgdir)) for path in done.valid)])
        why = {str(path.relative_to(pkgdir)): reason(error) for path, error in done.unsigned.items()}
        if not signed and any(isinstance(error, GpgError) for error in done.unsigned.values()):
            raise UnsignedPackagesError(str(pkgdir), why)
    # Everything was scanned under the same lock, so only the signed files have changed.
    if not xpak:
        why |= {path: XPAK_UNSIGNED for path in unsigned if not path.endswith(GPKG_SUFFIX)}
    try:
        report = reindexer.run(force=force, only=signed, withheld=why.keys(), vouched=Vouched(fingerprint, vouched))
    except MassRemovalError as error:
        error.why = {**error.why, **why}
        raise
    return Upkept(signed, report, UnsignedPackagesError(str(pkgdir), why) if why else None)


def _remove_leftovers(directories: Iterable[Path]) -> None:
    """Remove temporary files of a run that was killed while it signed. Only the holder of the lock signs."""
    for directory in directories:
        for path in directory.glob(f"{TEMPORARY_PREFIX}*.gpkg.tar.*"):
            path.unlink(missing_ok=True)
