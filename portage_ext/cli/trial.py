"""portage-ext trial: emerge installs what a release brings, and what that needs, in a scratch root."""

from __future__ import annotations

import argparse
import dataclasses
import sys

from portage_ext import shown
from portage_ext.cli import objects, places
from portage_ext.tasks.releasing.trial import Tried, trial
from portage_ext.words import counted


def arguments(parser: argparse.ArgumentParser) -> None:
    places.tree(parser)
    parser.add_argument(
        "--against", metavar="CHANNEL", help="install only packages that this channel does not have (default: all)"
    )
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
        print(shown.line(f"release {done.number} of {done.channel}: {summary(done, options.against)}"))
    return 1 if done.findings else 0


def summary(done: Tried, against: str | None) -> str:
    """The result in a few words; ``against`` is the channel that the release was compared with, if any."""
    if against is not None and not done.changed:
        return f"{against} has all of its packages already; nothing was installed"
    what = counted(done.changed, "changed package") if against else counted(done.changed)
    if done.findings:
        return f"tried to install {done.tried} of {what} in a scratch root; {len(done.findings)} could not be installed"
    return f"{done.tried} of {what} installed in a scratch root"
