"""portage-ext promote: what one channel serves is published in another, under a new number."""

from __future__ import annotations

import argparse
import time

from portage_ext.cli import objects, places
from portage_ext.cli import tree as common
from portage_ext.errors.releases import GateError


def arguments(parser: argparse.ArgumentParser) -> None:
    common.publisher_arguments(parser)
    common.at_once(parser)
    parser.add_argument("--release", type=int, metavar="N", help="an earlier release of FROM, instead of what it serves now")
    parser.add_argument("--unless-held", action="store_true", help="leave a channel that is held after a rollback as it is")
    objects.option(parser)
    parser.add_argument("origin", metavar="FROM", help="the channel that is taken, such as staging")
    parser.add_argument("channel", metavar="TO", help="the channel that gets it, such as production")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 promoted or no difference, 1 a gate objects or something failed."""
    started = time.monotonic()
    site, overrides = places.site(options), common.overrides(options)
    try:
        with common.signer(site, overrides) as lookup:
            from portage_ext.tasks.releasing import publishing

            done = publishing.promote(
                site,
                options.origin,
                options.channel,
                number=options.release,
                unless_held=options.unless_held,
                overrides=overrides,
                warn=common.warn,
                lookup=lookup,
            )
    except GateError as error:
        return common.objections(error, as_json=options.json)
    common.told(done, time.monotonic() - started, as_json=options.json)
    return 0
