"""portage-ext mirror: push releases to the mirrors of portage-ext.toml, or say how far they are behind."""

from __future__ import annotations

import argparse
import sys

from portage_ext import shown
from portage_ext.cli import places
from portage_ext.tasks import mirroring


def arguments(parser: argparse.ArgumentParser) -> None:
    places.tree(parser)
    parser.add_argument("name", metavar="NAME", nargs="?", help="the mirror (default: all of them)")
    parser.add_argument("--to", metavar="PLACE", help="a place that is not in portage-ext.toml, as rsync names it")
    parser.add_argument("--lag", action="store_true", help="send nothing; say how far it is behind, and exit 1 if it is")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 every mirror is up to date, 1 one of them failed or is behind (``--lag``)."""
    site, status = places.site(options), 0
    for one in mirroring.mirror(
        site, options.name, to=options.to, repository=options.repository, tree=options.tree, send=not options.lag
    ):
        if one.error is not None:
            print(f"portage-ext mirror: {one.error}", file=sys.stderr)
            status = 1
        elif one.sent is None:
            for lag in one.behind:
                print(shown.line(f"{one.name}: {lag}"))
                grace = site.settings.publishing.of(lag.channel).grace
                if lag.seconds > grace:
                    print(f"{one.name}: that is more than the grace time of {grace / 3600:g} h", file=sys.stderr)
            status = max(status, int(any(lag.here != lag.there for lag in one.behind)))
        else:
            behind = max((lag.seconds for lag in one.behind), default=0)
            print(
                f"{shown.line(one.name)}: {len(one.sent.sent)} releases sent, {len(one.sent.switched)} channels switched, "
                f"{len(one.sent.removed)} releases removed; it was {behind / 3600:.1f} h behind"
            )
    return status
