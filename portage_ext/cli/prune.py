"""portage-ext prune: releases that neither count, age nor a client in flight keeps are removed."""

from __future__ import annotations

import argparse
import time

from portage_ext.cli import tree as common


def arguments(parser: argparse.ArgumentParser) -> None:
    common.tree_arguments(parser)
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")


def run(options: argparse.Namespace) -> int:
    tree, settings = common.chosen(options)
    with tree.locked():
        if not options.dry_run:
            tree.recover()
        gone = common.prune(tree, settings, int(time.time()), dry_run=options.dry_run)
    word = "would be removed" if options.dry_run else "removed"
    print(f"{len(gone)} releases {word}{': ' if gone else ''}{', '.join(map(str, gone))}; {len(tree.numbers())} are there")
    return 0
