"""portage-ext releases: what a tree holds, which channels point where, and where each release came from."""

from __future__ import annotations

import argparse
import dataclasses
import time

from portage_ext import shown
from portage_ext.cli import objects, places
from portage_ext.cli import tree as common
from portage_ext.releases.note import UNTIL
from portage_ext.tasks.releasing import releases
from portage_ext.tasks.releasing.releases import Listed
from portage_ext.words import counted, minute


def arguments(parser: argparse.ArgumentParser) -> None:
    places.tree(parser)
    parser.add_argument("--channel", metavar="NAME", help="only the releases of this channel")
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 when a live Release has expired."""
    tree, status = places.site(options).tree(options.repository, options.tree), 0
    for one in releases.listed(tree, options.channel):
        if options.json:
            objects.show(_as_json(one))
            continue
        print(_line(one))
        status = 1 if one.expired else status
    return status


def _line(one: Listed) -> str:
    release, hold = one.release, one.note.hold if one.live else None
    waiting = one.note.waiting if one.live else None
    return (
        f"{one.number:>6}  {'live' if one.live else '    '}  {release.channel:<12}  {minute(release.created)}  "
        f"{counted(one.packages):>15}  {one.note.origin}{' EXPIRED' if one.expired else ''}"
        + (f"; {release.channel} is {hold}, {UNTIL}" if hold else "")
        + (shown.line(f"; {waiting.text(time.time())}") if waiting else "")
    )


def _as_json(one: Listed) -> dict[str, object]:
    release, note = one.release, one.note
    values = {"release": one.number, "channel": release.channel, "live": one.live, "created": release.created}
    values |= {"expires": release.expires, "packages": one.packages, "carried": len(note.carried)}
    held = dataclasses.asdict(note.hold) if one.live and note.hold else None
    waiting = common.waiting(note.waiting) if one.live else None
    return {**values, "content": note.content, "origin": note.origin, "held": held, "waiting": waiting}
