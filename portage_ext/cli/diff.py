"""portage-ext diff: what clients see change from one release or channel to another."""

from __future__ import annotations

import argparse
import dataclasses

from portage_ext import shown
from portage_ext.cli import objects, places
from portage_ext.cli import tree as common
from portage_ext.tasks.releasing import releases


def arguments(parser: argparse.ArgumentParser) -> None:
    places.tree(parser)
    parser.add_argument("before", metavar="A", help="a release by number, or a channel")
    parser.add_argument("after", metavar="B", help="a release by number, or a channel")
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, whether there is a difference or not."""
    tree = places.site(options).tree(options.repository, options.tree)
    found = releases.compared(tree, options.before, options.after)
    change = found.change
    if options.json:
        rebuilt = [{"before": dict(one.before.values), "after": dict(one.after.values)} for one in change.rebuilt]
        plain = {"added": [dict(one.values) for one in change.added], "removed": [dict(one.values) for one in change.removed]}
        objects.show({"before": found.before, "after": found.after, **plain, "rebuilt": rebuilt})
        return 0
    for line in common.lines(change):
        print(shown.line(line))
    counts = {field.name: len(getattr(change, field.name)) for field in dataclasses.fields(change)}
    print(f"release {found.before} to {found.after}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    return 0
