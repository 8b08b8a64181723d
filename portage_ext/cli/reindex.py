"""portage-ext reindex: one line of summary, a line for each package left out, and an exit status that scripts can trust."""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from portage_ext import shown
from portage_ext.cli import objects
from portage_ext.errors import PackageError, UsageError
from portage_ext.pkgdir.reindex import Report
from portage_ext.pkgdir.workers import Progress
from portage_ext.tasks import indexing
from portage_ext.words import counted

EXIT_STALE: Final = 1
EXIT_LEFT_OUT: Final = 3
_BAR_AFTER: Final = 1.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pkgdir", type=Path, metavar="DIR", help="the package directory (default: Portage's PKGDIR)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and print what differs if it is stale")
    parser.add_argument("--verify", action="store_true", help="read every package again and report silent changes")
    parser.add_argument(
        "--force", action="store_true", help="write it even if most of it would go, or DIR looks like no PKGDIR"
    )
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help="processes that read (default: one a processor)")
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 done, 1 stale (``--check``) or failed, 3 something was left out."""
    if options.jobs < 0:
        raise UsageError("--jobs takes a number of processes, or 0 for one a processor")
    started = time.monotonic()
    # A short life: importing Portage and reading the state make many objects and no garbage worth looking for.
    gc.disable()
    with _progress(quiet=options.json) as progress:
        if options.check:
            done = indexing.check(options.pkgdir, verify=options.verify, jobs=options.jobs, progress=progress)
        else:
            done = indexing.reindex(
                options.pkgdir, force=options.force, verify=options.verify, jobs=options.jobs, progress=progress
            )
    differences = [str(one) for one in done.differences]
    _print(options, done.pkgdir, done.report, differences, time.monotonic() - started)
    if options.check and done.stale:
        return EXIT_STALE
    return EXIT_LEFT_OUT if done.report.left_out else 0


def _print(options: argparse.Namespace, pkgdir: Path, report: Report, differences: Sequence[str], seconds: float) -> None:
    if options.json:
        objects.show(_as_json(pkgdir, report, differences, seconds))
        return
    for difference in differences:
        print(shown.line(difference))
    for path in report.silent:
        print(f"{shown.line(path)}: changed although its size, time and inode did not")
    for error in report.left_out:
        print(f"left out: {shown.line(str(error))}", file=sys.stderr)
    if options.check:
        verdict = "stale" if differences or report.silent else "up to date"
    else:
        verdict = "written" if report.written else "up to date"
    counts = [f"{len(paths)} {word}" for word, paths in (("new", report.added), ("changed", report.changed)) if paths]
    counts += [f"{len(report.removed)} gone"] if report.removed else []
    counts += [f"{len(report.left_out)} left out"] if report.left_out else []
    detail = f" ({', '.join(counts)})" if counts else ""
    print(f"{pkgdir / 'Packages'}: {counted(report.packages)}{detail}, {verdict}, {seconds:.2f} s")


def _as_json(pkgdir: Path, report: Report, differences: Sequence[str], seconds: float) -> dict[str, object]:
    def problem(error: PackageError) -> dict[str, str]:
        return {"path": error.path, "error": type(error).__name__, "reason": error.reason}

    return {
        "pkgdir": str(pkgdir),
        "packages": report.packages,
        "added": report.added,
        "changed": report.changed,
        "removed": report.removed,
        "left_out": [problem(error) for error in report.left_out],
        "silent_changes": report.silent,
        "opened": report.opened,
        "written": report.written,
        "timestamp": report.timestamp,
        "differences": differences,
        "seconds": round(seconds, 3),
    }


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress]:
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    bar = _Bar(time.monotonic())
    try:
        yield bar.update
    finally:
        bar.stop()


class _Bar:
    """A bar that appears only when the work takes more than a second; without a thread, because workers are forked."""

    def __init__(self, started: float) -> None:
        self._started = started
        self._stop: object = None
        self._draw: object = None

    def update(self, done: int, total: int) -> None:
        if self._draw is None:
            if time.monotonic() - self._started < _BAR_AFTER:
                return
            self._open(total)
        assert callable(self._draw)
        self._draw(done, total)

    def _open(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("reading packages"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        bar = Bar(*columns, console=Console(stderr=True), auto_refresh=False, transient=True)
        task = bar.add_task("", total=total)
        bar.start()

        def draw(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)
            bar.refresh()

        self._draw, self._stop = draw, bar.stop

    def stop(self) -> None:
        if callable(self._stop):
            self._stop()
