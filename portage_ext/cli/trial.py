"""portage-ext trial: emerge installs what a release brings, and what that needs, in a scratch root."""

from __future__ import annotations

import argparse
import dataclasses
import sys

from portage_ext import shown
from portage_ext.cli import objects, places
from portage_ext.tasks.trial import trial
from portage_ext.words import counted


def arguments(parser: argparse.ArgumentParser) -> None:
    places.tree(parser)
    parser.add_argument("--against", metavar="CHANNEL", help="only what this channel has otherwise (default: everything)")
    parser.add_argument("--most", type=int, default=50, metavar="N", help="install at most so many packages (default: 50)")
    objects.option(parser)
    parser.add_argument("channel", metavar="CHANNEL", help="the channel with the release, such as staging")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 everything could be installed, 1 something could not."""
    done = trial(
        places.site(options),
        options.channel,
        against=options.against,
        most=options.most,
        repository=options.repository,
        tree=options.tree,
    )
    if options.json:
        counts = {"changed": done.changed, "tried": done.tried, "findings": [dataclasses.asdict(one) for one in done.findings]}
        objects.show({"channel": done.channel, "release": done.number, "content": done.content, **counts})
    else:
        for one in done.findings:
            print(shown.text(str(one)), file=sys.stderr)
        failed = f", {len(done.findings)} could not be" if done.findings else ""
        what = counted(done.changed, "changed package") if options.against else counted(done.changed)
        print(shown.line(f"release {done.number} of {done.channel}: {done.tried} of {what} tried in a scratch root{failed}"))
    return 1 if done.findings else 0
