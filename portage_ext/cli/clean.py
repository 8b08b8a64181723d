"""portage-ext clean: say what in PKGDIR is no longer needed, by reason and by category; remove it only when told to."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from portage_ext import shown
from portage_ext.cli import objects, places
from portage_ext.errors import UsageError
from portage_ext.pkgdir.cleaning import Candidate, report
from portage_ext.tasks import cleaning
from portage_ext.words import counted, size


def arguments(parser: argparse.ArgumentParser) -> None:
    places.tree(parser)
    parser.add_argument("--pkgdir", type=Path, metavar="DIR", help="the package directory (default: of the repository)")
    parser.add_argument("--builds", type=int, default=1, metavar="N", help="builds kept of one version and USE (default: 1)")
    parser.add_argument("--older-than", type=int, metavar="DAYS", help="also what was built earlier, but never a slot's newest")
    parser.add_argument("--keep-gone", action="store_true", help="keep versions that no ebuild repository has any more")
    parser.add_argument("--keep-released", action="store_true", help="keep what a channel of the tree offers now")
    parser.add_argument("--remove", action="store_true", help="remove it; without this nothing is removed")
    parser.add_argument("--list", action="store_true", help="name every package")
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 when not all could be removed."""
    if options.builds < 1:
        raise UsageError("--builds takes a number from 1")
    done = cleaning.clean(
        places.site(options),
        repository=options.repository,
        tree=options.tree,
        pkgdir=options.pkgdir,
        builds=options.builds,
        older_than=options.older_than,
        keep_gone=options.keep_gone,
        keep_released=options.keep_released,
        remove=options.remove,
    )
    if options.json:
        packages = [{"path": one.entry.path, "size": one.size, "reason": one.reason.value} for one in done.packages]
        objects.show({"removed": options.remove, "packages": packages, "freed": done.freed, "failed": done.failed})
    else:
        _print(options, done.packages, done.freed)
    return 1 if done.failed else 0


def _print(options: argparse.Namespace, found: Sequence[Candidate], freed: int) -> None:
    if options.list:
        for one in found:
            print(shown.line(f"{one.entry.path}  {one.size}  {one.reason.value}"))
    for name, count, total in report(found):
        print(f"{name:<24} {counted(count):>16}  {size(total):>10}")
    word = "removed" if options.remove else "would be removed (--remove does it)"
    total = sum(one.size for one in found)
    print(f"{counted(len(found))} of {size(total)} {word}; {size(freed)} become free at once, the rest with their releases")
