"""Update the package index of a PKGDIR to match its files, or compare the two."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from portage_ext.host.pkgdir import likely_pkgdir, pkgdir_settings, repository_of
from portage_ext.pkgdir.reindex import Reindexer, Report
from portage_ext.pkgdir.walk import Walker
from portage_ext.pkgdir.workers import Progress
from portage_ext.records import record

if TYPE_CHECKING:
    from portage_ext.pkgdir.check import Difference


@record
class Indexed:
    """What a run found in ``pkgdir`` and did and, if it compared, where the index differs from the files."""

    pkgdir: Path
    report: Report
    differences: Sequence[Difference] = ()

    @property
    def stale(self) -> bool:
        return bool(self.differences or self.report.silent)


def reindex(
    pkgdir: Path | None = None,
    *,
    force: bool = False,
    verify: bool = False,
    jobs: int = 0,
    progress: Progress = lambda done, total: None,
) -> Indexed:
    """Update the index of ``pkgdir`` (None: Portage's PKGDIR).

    ``verify``: read every package again. ``force``: also if most of the index would go, or this looks like no PKGDIR. ``jobs``
    processes read (0: one a CPU).
    What is left out of the index is in the report. Raises PkgdirError, LockError, MassRemovalError, UnknownPortageError.
    """
    with _reindexer(pkgdir, jobs, progress, anything=force) as (place, reindexer):
        return Indexed(place, reindexer.run(force=force, verify=verify))


def check(
    pkgdir: Path | None = None,
    *,
    verify: bool = False,
    jobs: int = 0,
    progress: Progress = lambda done, total: None,
) -> Indexed:
    """What :func:`reindex` would change; nothing is written. Raises the same."""
    from portage_ext.pkgdir.check import compare

    with _reindexer(pkgdir, jobs, progress) as (place, reindexer):
        report, wanted = reindexer.preview(verify=verify)
        return Indexed(place, report, compare(reindexer.repository, wanted))


@contextmanager
def _reindexer(
    pkgdir: Path | None, jobs: int, progress: Progress, *, anything: bool = False
) -> Iterator[tuple[Path, Reindexer]]:
    place = likely_pkgdir() if pkgdir is None else Path(os.path.abspath(pkgdir))
    walker = Walker(place, once=True)
    with walker.looking_ahead():
        # Portage's modules and settings, and the state, take as long as a look at 30,000 packages.
        settings = pkgdir_settings(pkgdir, anything=anything)
        known = walker if settings.pkgdir == place else None
        processes = jobs or len(os.sched_getaffinity(0))
        yield settings.pkgdir, Reindexer(repository_of(settings), processes, progress, once=True, walker=known)
