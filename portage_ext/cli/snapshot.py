"""portage-ext snapshot: the snapshots that were made before emerge changed the system, and what has changed since."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Final

from portage_ext import shown
from portage_ext.cli import objects, places
from portage_ext.cli.screen import Screen
from portage_ext.errors import RequestError
from portage_ext.snapshots import keeping
from portage_ext.snapshots.keeping import Snapshot
from portage_ext.words import minute

_NONE: Final = "no snapshot was made yet; to have emerge make them, set policy in [snapshot] of portage-ext.toml"


def arguments(parser: argparse.ArgumentParser) -> None:
    below = parser.add_subparsers(dest="what", metavar="list|diff", required=True)
    listed = below.add_parser("list", description="the snapshots, oldest first, with the merge list that followed each")
    diff = below.add_parser("diff", description="which packages have changed since a snapshot")
    diff.add_argument("number", type=int, metavar="N", nargs="?", help="the snapshot (default: the newest)")
    for one in (listed, diff):
        places.roots(one)
        objects.option(one)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 with ``diff`` when something has changed."""
    known = keeping.load(options.root)
    if options.what == "list":
        return _listed(known, as_json=options.json)
    one = chosen(known, options.number)
    added, removed = keeping.difference(one, keeping.installed(options.root))
    if options.json:
        objects.show({"number": one.number, "added": list(added), "removed": list(removed)})
    else:
        print(shown.line(f"since snapshot {one.number} ({minute(one.when)}, {one.maker}: {one.made})"))
        for sign, names in (("+", added), ("-", removed)):
            for name in names:
                print(shown.line(f"{sign} {name}"))
    return int(bool(added or removed))


def _listed(known: list[Snapshot], *, as_json: bool) -> int:
    if as_json:
        kept = ("number", "maker", "made", "when", "why", "missing")
        objects.show({"snapshots": [{name: asdict(one)[name] for name in kept} for one in known]})
    elif not known:
        print(_NONE)
    else:
        rows = [(str(one.number), minute(one.when), one.maker, shown.line(one.made), shown.line(one.why)) for one in known]
        Screen().table(rows, ("blue",))
    return 0


def chosen(known: list[Snapshot], number: int | None) -> Snapshot:
    """The snapshot with ``number``, or the newest (None). Raises RequestError."""
    found = known[-1:] if number is None else [one for one in known if one.number == number]
    if not found:
        have = ", ".join(str(one.number) for one in known)
        raise RequestError(f"there is no snapshot {number}; there are {have}" if known else _NONE)
    return found[0]
