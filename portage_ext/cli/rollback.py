"""portage-ext rollback: an earlier content of a channel is published anew, because clients never go backwards."""

from __future__ import annotations

import argparse
import time

from portage_ext.cli import objects, places
from portage_ext.cli import tree as common
from portage_ext.errors.releases import GateError


def arguments(parser: argparse.ArgumentParser) -> None:
    common.publisher_arguments(parser)
    objects.option(parser)
    parser.add_argument("channel", metavar="CHANNEL")
    parser.add_argument("number", metavar="N", type=int, nargs="?", help="the release (default: the content before this one)")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 done, 1 failed. What was live once passed its gates: only the index is looked at again."""
    started = time.monotonic()
    site, overrides = places.site(options), common.overrides(options)
    try:
        with common.signer(site, overrides) as lookup:
            from portage_ext.tasks.releasing import publishing

            done = publishing.rollback(
                site, options.channel, options.number, overrides=overrides, warn=common.warn, lookup=lookup
            )
    except GateError as error:
        return common.objections(error, as_json=options.json)
    common.told(done, time.monotonic() - started, as_json=options.json)
    return 0
