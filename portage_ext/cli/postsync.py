"""portage-ext postsync: refresh binhosts and start the update job. A hook in postsync.d calls it after every sync."""

from __future__ import annotations

import argparse
import sys

from portage_ext import shown
from portage_ext.cli import places
from portage_ext.tasks.after_sync import FOLLOWED, after_sync


def arguments(parser: argparse.ArgumentParser) -> None:
    places.roots(parser)
    parser.add_argument("--now", action="store_true", help="ask the binhosts even if that was done a moment ago")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 when the job could not be started; a sync has not failed because a binhost is stale."""
    site = places.site(options)
    done = after_sync(site, now=options.now)
    for one in done.told:
        print(f"portage-ext: {shown.line(one.line)}", file=sys.stdout if one.ok else sys.stderr, flush=True)
    if (site.eroot / FOLLOWED).is_file():
        # Only hosts that follow a configuration pay for this import.
        from portage_ext.fleet.following import refreshed

        for line, ok in refreshed(site):
            print(f"portage-ext: {shown.line(line)}", file=sys.stdout if ok else sys.stderr, flush=True)
    return int(done.failed)
