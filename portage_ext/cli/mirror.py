"""portage-ext mirror: push releases to the mirrors of portage-ext.toml, or say how far they are behind."""

from __future__ import annotations

import argparse
import sys

from portage_ext.cli import tree as common
from portage_ext.config.publishing import MirrorSettings, Publishing
from portage_ext.errors import UsageError
from portage_ext.errors.releases import MirrorPushError
from portage_ext.releases.mirror import Mirror


def arguments(parser: argparse.ArgumentParser) -> None:
    common.tree_arguments(parser)
    parser.add_argument("name", metavar="NAME", nargs="?", help="the mirror (default: all of them)")
    parser.add_argument("--to", metavar="PLACE", help="a place that is not in portage-ext.toml, as rsync names it")
    parser.add_argument("--lag", action="store_true", help="send nothing; say how far it is behind, and exit 1 if it is")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 every mirror is up to date, 1 one of them failed or is behind (``--lag``)."""
    tree, settings = common.chosen(options)
    status = 0
    for chosen in _mirrors(options, settings):
        mirror = Mirror(chosen.name, chosen.to, tree, chosen.channels, chosen.options)
        try:
            if options.lag:
                lags = mirror.lag()
                for lag in lags:
                    print(f"{chosen.name}: {lag}")
                    grace = settings.of(lag.channel).grace
                    if lag.seconds > grace:
                        print(f"{chosen.name}: that is more than the grace time of {grace / 3600:g} h", file=sys.stderr)
                status = max(status, int(any(lag.here != lag.there for lag in lags)))
                continue
            # Without the lock, which would stop publishing for as long as it takes: a release that is pruned while it is sent
            # costs this run, and the next sends the newer one.
            before, done = mirror.lag(), mirror.push()
        except MirrorPushError as error:
            print(f"portage-ext mirror: {error}", file=sys.stderr)
            status = 1
            continue
        behind = max((lag.seconds for lag in before), default=0)
        print(
            f"{chosen.name}: {len(done.sent)} releases sent, {len(done.switched)} channels switched, "
            f"{len(done.removed)} releases removed; it was {behind / 3600:.1f} h behind"
        )
    return status


def _mirrors(options: argparse.Namespace, settings: Publishing) -> list[MirrorSettings]:
    if options.to:
        return [MirrorSettings(options.name or options.to, options.to)]
    every = {name: one for name, one in settings.mirrors.items() if one.repository == options.repository}
    if options.name is None:
        if not every:
            raise UsageError("portage-ext.toml has no [mirror.NAME] for this repository; or name a place with --to")
        return list(every.values())
    if options.name not in every:
        raise UsageError(f"portage-ext.toml has no [mirror.{options.name}] for this repository")
    return [every[options.name]]
