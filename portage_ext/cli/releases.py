"""portage-ext releases: what a tree holds, which channels point where, and where each release came from."""

from __future__ import annotations

import argparse
import dataclasses
import json
import time

from portage_ext.cli import tree as common


def arguments(parser: argparse.ArgumentParser) -> None:
    common.tree_arguments(parser)
    parser.add_argument("--channel", metavar="NAME", help="only the releases of this channel")
    parser.add_argument("--json", action="store_true", help="print JSON lines")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 when a live Release has expired."""
    tree, _ = common.chosen(options)
    channels, now, status = tree.channels(), int(time.time()), 0
    for number, release in tree.known().items():
        if options.channel not in (None, release.channel):
            continue
        live = channels.get(release.channel) == number
        note, contents = tree.note(number), tree.contents(number)
        if options.json:
            values = {"release": number, "channel": release.channel, "live": live, "created": release.created}
            values |= {"expires": release.expires, "packages": len(contents.entries), "carried": len(note.carried)}
            held = dataclasses.asdict(note.hold) if live and note.hold else None
            print(json.dumps({**values, "content": note.content, "origin": note.origin, "held": held}))
            continue
        state = "live" if live else "    "
        over = " EXPIRED" if live and release.expires <= now else ""
        print(
            f"{number:>6}  {state}  {release.channel:<12}  {common.since(release.created)}  "
            f"{len(contents.entries):>6} packages  {note.origin}{over}"
            + (f"; {release.channel} is {note.hold}, {common.UNTIL}" if live and note.hold else "")
        )
        status = 1 if over else status
    return status
