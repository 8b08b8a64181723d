"""portage-ext sign: give every package of a PKGDIR a valid signature of the current key, and the index its new digests."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from portage_ext import shown
from portage_ext.cli import objects, places
from portage_ext.errors import UsageError
from portage_ext.folding import fold
from portage_ext.gpkg.verify import XPAK_UNSIGNED, reason
from portage_ext.tasks import signing
from portage_ext.tasks.signing import CheckedPackages, SignedPackages
from portage_ext.words import counted


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pkgdir", type=Path, metavar="DIR", help="the package directory (default: Portage's PKGDIR)")
    places.key(parser)
    places.config_root(parser)
    parser.add_argument("--all", action="store_true", help="sign also what has a valid signature")
    parser.add_argument("--check", action="store_true", help="sign nothing; say what would be, and exit 1 if there is any")
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help="packages signed at once (default: one a CPU)")
    parser.add_argument("--no-index", action="store_true", help="do not update the index; the caller does it")
    objects.option(parser)
    parser.add_argument("paths", nargs="*", type=Path, metavar="PACKAGE", help="sign these files only, without an index")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 every package carries a valid signature, 1 not every one."""
    if options.jobs < 0:
        raise UsageError("--jobs takes a number of packages, or 0 for one a CPU")
    started, site = time.monotonic(), places.site(options)
    if options.check:
        found = signing.check(
            site, options.paths, pkgdir=options.pkgdir, key=options.key, homedir=options.homedir, jobs=options.jobs
        )
        failed = {str(path): reason(error) for path, error in found.verdicts.items() if error is not None}
        if options.json:
            objects.show({"key": found.key, "packages": len(found.verdicts), "failed": failed, "xpak": _names(found.xpaks)})
        else:
            _checked(found, failed)
            _xpaks(found.xpaks)
        return int(bool(failed or found.xpaks))
    done = signing.sign(
        site,
        options.paths,
        pkgdir=options.pkgdir,
        key=options.key,
        homedir=options.homedir,
        everything=options.all,
        jobs=options.jobs,
        index=not options.no_index,
        signed=lambda done: None if options.json else _signed(done, time.monotonic() - started),
    )
    if options.json:
        objects.show(_as_json(done, time.monotonic() - started))
        return int(bool(done.report.failed or done.xpaks))
    for line in fold((error.path, error.reason) for error in done.left_out):
        print(f"portage-ext sign: left out of the index: {line}", file=sys.stderr)
    _xpaks(done.xpaks)
    return int(bool(done.report.failed or done.xpaks))


def _checked(found: CheckedPackages, failed: Mapping[str, str]) -> None:
    for line in fold(failed.items()):
        print(line)
    total = len(found.verdicts)
    print(f"{total - len(failed)} of {counted(total)} carry a valid signature of {found.key}")


def _signed(done: SignedPackages, seconds: float) -> None:
    report = done.report
    for line in fold((str(path), f"not signed: {reason(error)}") for path, error in report.failed.items()):
        print(shown.line(f"portage-ext sign: {line}"), file=sys.stderr)
    print(
        f"{len(report.signed)} signed by {done.key}, {len(report.valid)} valid before, {len(report.failed)} failed, "
        f"{seconds:.2f} s"
    )


def _as_json(done: SignedPackages, seconds: float) -> dict[str, object]:
    report = done.report
    return {
        "key": done.key,
        "signed": _names(report.signed),
        "valid": _names(report.valid),
        "failed": {str(path): reason(error) for path, error in report.failed.items()},
        "xpak": _names(done.xpaks),
        "left_out": {error.path: error.reason for error in done.left_out},
        "seconds": round(seconds, 3),
    }


def _names(paths: Iterable[Path]) -> list[str]:
    return list(map(str, paths))


def _xpaks(paths: Iterable[Path]) -> None:
    for line in fold((str(path), f"not signed: {XPAK_UNSIGNED}") for path in paths):
        print(f"portage-ext sign: {line}", file=sys.stderr)
