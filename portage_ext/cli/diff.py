"""portage-ext diff: what clients see change from one release or channel to another."""

from __future__ import annotations

import argparse
import dataclasses
import json

from portage_ext.cli import tree as common
from portage_ext.errors.releases import UnknownNumberError
from portage_ext.releases.contents import difference
from portage_ext.releases.tree import Tree


def arguments(parser: argparse.ArgumentParser) -> None:
    common.tree_arguments(parser)
    parser.add_argument("before", metavar="A", help="a release by number, or a channel")
    parser.add_argument("after", metavar="B", help="a release by number, or a channel")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, whether there is a difference or not."""
    tree, _ = common.chosen(options)
    before, after = _number(tree, options.before), _number(tree, options.after)
    change = difference(tree.contents(before), tree.contents(after))
    if options.json:
        rebuilt = [{"before": dict(one.before.values), "after": dict(one.after.values)} for one in change.rebuilt]
        plain = {"added": [dict(one.values) for one in change.added], "removed": [dict(one.values) for one in change.removed]}
        print(json.dumps({"before": before, "after": after, **plain, "rebuilt": rebuilt}))
        return 0
    for line in common.lines(change):
        print(line)
    counts = {field.name: len(getattr(change, field.name)) for field in dataclasses.fields(change)}
    print(f"release {before} to {after}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    return 0


def _number(tree: Tree, word: str) -> int:
    if not word.isdigit():
        return tree.live(word)
    number, known = int(word), tree.numbers()
    if number not in known:
        raise UnknownNumberError(word, str(tree.root), tuple(known))
    return number
