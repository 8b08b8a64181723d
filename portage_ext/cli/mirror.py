"""portage-ext mirror: push releases to the mirrors of portage-ext.toml, or say how far they are behind."""

from __future__ import annotations

import argparse
import dataclasses
import sys

from portage_ext import shown
from portage_ext.cli import objects, places
from portage_ext.tasks.releasing import mirroring
from portage_ext.tasks.releasing.mirroring import Mirrored
from portage_ext.words import counted, spell


def arguments(parser: argparse.ArgumentParser) -> None:
    places.tree(parser)
    parser.add_argument("name", metavar="NAME", nargs="?", help="the mirror (default: all of them)")
    parser.add_argument("--to", metavar="PLACE", help="a place that is not in portage-ext.toml, as rsync names it")
    parser.add_argument("--lag", action="store_true", help="send nothing; say how far it is behind, and exit 1 if it is")
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 every mirror is up to date, 1 one of them failed or is behind (``--lag``)."""
    site, status = places.site(options), 0
    for one in mirroring.mirror(
        site, options.name, to=options.to, repository=options.repository, tree=options.tree, send=not options.lag
    ):
        late = one.sent is None and any(lag.here != lag.there for lag in one.behind)
        status = max(status, int(one.error is not None or late))
        if options.json:
            objects.show(_as_json(one))
        elif one.error is not None:
            print(f"portage-ext mirror: {one.error}", file=sys.stderr)
        elif one.sent is None:
            for lag in one.behind:
                print(shown.line(f"{one.name}: {lag}"))
                grace = site.settings.publishing.of(lag.channel).grace
                if lag.seconds > grace:
                    print(f"{one.name}: that is more than the grace time of {grace / 3600:g} h", file=sys.stderr)
        else:
            behind = max((lag.seconds for lag in one.behind), default=0)
            print(
                f"{shown.line(one.name)}: {counted(len(one.sent.sent), 'release')} sent, "
                f"{counted(len(one.sent.switched), 'channel')} switched, {counted(len(one.sent.removed), 'release')} removed; "
                f"it was {spell(behind)} behind"
            )
    return status


def _as_json(one: Mirrored) -> dict[str, object]:
    return {
        "mirror": one.name,
        "error": None if one.error is None else str(one.error),
        "behind": [dataclasses.asdict(lag) for lag in one.behind],
        "pushed": None if one.sent is None else dataclasses.asdict(one.sent),
    }
