"""portage-ext prune: releases that neither count, age nor a client in flight keeps are removed."""

from __future__ import annotations

import argparse

from portage_ext.cli import objects, places
from portage_ext.tasks.releasing import publishing
from portage_ext.tasks.releasing.overrides import Overrides
from portage_ext.words import counted


def arguments(parser: argparse.ArgumentParser) -> None:
    places.tree(parser)
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0."""
    overrides = Overrides(options.tree, options.repository)
    site = places.site(options)
    gone = publishing.prune(site, overrides=overrides, dry_run=options.dry_run)
    left = len(site.tree(options.repository, options.tree).numbers())
    if options.json:
        objects.show({"removed": not options.dry_run, "releases": gone, "left": left})
        return 0
    word = "would be removed" if options.dry_run else "removed"
    print(f"{counted(len(gone), 'release')} {word}{': ' if gone else ''}{', '.join(map(str, gone))}; {left} remain")
    return 0
