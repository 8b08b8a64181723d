"""portage-ext publish: what PKGDIR holds becomes a release, if it is different and passes its gates."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from portage_ext.cli import objects, places
from portage_ext.cli import tree as common
from portage_ext.errors.releases import GateError
from portage_ext.folding import fold

if TYPE_CHECKING:
    from portage_ext.tasks.releasing.publishing import LeftOut


def arguments(parser: argparse.ArgumentParser) -> None:
    common.publisher_arguments(parser)
    common.at_once(parser)
    objects.option(parser)
    parser.add_argument("--channel", metavar="NAME", help="(default: into of [publish], else channel of [release])")
    parser.add_argument("--pkgdir", type=Path, metavar="DIR", help="the package directory (default: pkgdir of the repository)")
    parser.add_argument("--renew", action="store_true", help="leave PKGDIR alone; only prolong a Release past its half-life")
    parser.add_argument(
        "--keys-next",
        nargs="+",
        default=(),
        metavar="FPR",
        help="leave PKGDIR alone; announce the keys that may sign the next Releases (not for clients with pinned root keys)",
    )
    parser.add_argument("--force", action="store_true", help="also if little or nothing of what there is would be offered")
    parser.add_argument("--unless-held", action="store_true", help="leave a channel that is held as it is (for timers)")
    parser.add_argument("--no-prune", action="store_true", help="keep releases that retention would remove")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 published or no difference, 1 a gate objects or something failed."""
    started = time.monotonic()
    site, overrides, pruning = places.site(options), common.overrides(options), not options.no_prune
    try:
        with common.signer(site, overrides) as lookup:
            from portage_ext.tasks.releasing import publishing

            if options.renew or options.keys_next:
                done = publishing.renew(
                    site,
                    options.channel,
                    overrides=overrides,
                    keys_next=options.keys_next,
                    pruning=pruning,
                    warn=common.warn,
                    lookup=lookup,
                )
            else:
                done = publishing.publish(
                    site,
                    options.channel,
                    pkgdir=options.pkgdir,
                    overrides=overrides,
                    may_lose=options.force,
                    unless_held=options.unless_held,
                    pruning=pruning,
                    left_out=_left_out,
                    warn=common.warn,
                    lookup=lookup,
                )
    except GateError as error:
        return common.objections(error, as_json=options.json)
    common.told(done, time.monotonic() - started, as_json=options.json)
    return 0


def _left_out(found: LeftOut) -> None:
    for line in fold(found.items()):
        print(f"portage-ext publish: left out: {line}", file=sys.stderr)
