"""portage-ext releases: what a tree holds, which channels point where, where each release came from; deltas on request."""

from __future__ import annotations

import argparse
import dataclasses
import time

from portage_ext import shown
from portage_ext.cli import objects, places
from portage_ext.cli import tree as common
from portage_ext.errors import UsageError
from portage_ext.releases.note import UNTIL
from portage_ext.tasks.releasing import deltas, releases
from portage_ext.tasks.releasing.overrides import Overrides
from portage_ext.tasks.releasing.releases import Listed
from portage_ext.words import counted, minute

_DELTAS = "deltas"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=(_DELTAS,), help="publish again with deltas from earlier releases (default: list releases)"
    )
    places.tree(parser)
    places.key(parser)
    parser.add_argument("--channel", metavar="NAME", help="only the releases of this channel; with deltas: the channel")
    parser.add_argument(
        "--from",
        dest="numbers",
        nargs="+",
        type=int,
        default=(),
        metavar="NUMBER",
        help="with deltas: the releases to make deltas from (default: all earlier ones of the channel)",
    )
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 when a live Release has expired."""
    if options.action == _DELTAS:
        return _add(options)
    if options.numbers or options.key or options.homedir:
        raise UsageError("--from, --key and --homedir are for `portage-ext releases deltas`")
    tree, status = places.site(options).tree(options.repository, options.tree), 0
    for one in releases.listed(tree, options.channel):
        if options.json:
            objects.show(_as_json(one))
            continue
        print(_line(one))
        status = 1 if one.expired else status
    return status


def _add(options: argparse.Namespace) -> int:
    started = time.monotonic()
    overrides = Overrides(options.tree, options.repository, options.key, options.homedir)
    done = deltas.add(places.site(options), options.channel, options.numbers, overrides=overrides, warn=common.warn)
    if done.published.release is None and not options.json:
        print(f"{done.channel}: there is no delta to add; release {done.published.number} stays as it is")
    else:
        common.told(done, time.monotonic() - started, as_json=options.json)
    return 0


def _line(one: Listed) -> str:
    release, hold = one.release, one.note.hold if one.live else None
    waiting = one.note.waiting if one.live else None
    return (
        f"{one.number:>6}  {'live' if one.live else '    '}  {release.channel:<12}  {minute(release.created)}  "
        f"{counted(one.packages):>15}  {one.note.origin}{' EXPIRED' if one.expired else ''}"
        + (f"; {one.deltas}" if one.deltas else "")
        + (f"; {release.channel} is {hold}, {UNTIL}" if hold else "")
        + (shown.line(f"; {waiting.text(time.time())}") if waiting else "")
    )


def _as_json(one: Listed) -> dict[str, object]:
    release, note = one.release, one.note
    values = {"release": one.number, "channel": release.channel, "live": one.live, "created": release.created}
    values |= {"expires": release.expires, "packages": one.packages, "carried": len(note.carried)}
    held = dataclasses.asdict(note.hold) if one.live and note.hold else None
    waiting = common.waiting(note.waiting) if one.live else None
    offered = None if one.deltas is None else dataclasses.asdict(one.deltas)
    return {**values, "content": note.content, "origin": note.origin, "held": held, "waiting": waiting, "deltas": offered}
