"""portage-ext publish: what PKGDIR holds becomes a release, if it is different and passes its gates."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from portage_ext.cli import tree as common
from portage_ext.config import settings as configuration
from portage_ext.config.publishing import Publishing
from portage_ext.errors.releases import GateError
from portage_ext.folding import fold
from portage_ext.host.builder import builder
from portage_ext.host.here import here
from portage_ext.host.pkgdir import PkgdirLock, pkgdir_settings, repository_of
from portage_ext.pkgdir.reindex import Reindexer, Report
from portage_ext.releases.gates import Gate
from portage_ext.releases.publish import Published, Publisher, Source


def arguments(parser: argparse.ArgumentParser) -> None:
    common.publisher_arguments(parser)
    parser.add_argument("--channel", metavar="NAME", help="(default: into of [publish], else channel of [release])")
    parser.add_argument("--pkgdir", type=Path, metavar="DIR", help="the package directory (default: pkgdir of the repository)")
    parser.add_argument("--renew", action="store_true", help="leave PKGDIR alone; only prolong a Release past its half-life")
    parser.add_argument(
        "--keys-next",
        nargs="+",
        metavar="FPR",
        help="leave PKGDIR alone; announce the keys that may sign the next Releases (not for clients with pinned root keys)",
    )
    parser.add_argument("--force", action="store_true", help="also if little or nothing of what there is would be offered")
    parser.add_argument("--unless-held", action="store_true", help="leave a channel that is held as it is (for timers)")
    parser.add_argument("--no-prune", action="store_true", help="keep releases that retention would remove")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 published or no difference, 1 a gate objects or something failed."""
    started = time.monotonic()
    tree, settings = common.chosen(options)
    channel = options.channel or settings.channel or configuration.load(options.config_root).release.channel
    with common.publisher(options, channel) as (publisher, gates):
        try:
            if options.renew or options.keys_next:
                done = publisher.renew(channel, force=bool(options.keys_next))
            else:
                pkgdir = options.pkgdir or (None if options.tree else settings.repository(options.repository).pkgdir)
                done = _publish(options, publisher, channel, pkgdir, gates(None), settings)
        except GateError as error:
            return common.objections(error, as_json=options.json)
    pruned: list[int] = []
    if not options.no_prune:
        with tree.locked():
            pruned = common.prune(tree, settings, int(time.time()))
    common.told(channel, done, pruned, time.monotonic() - started, as_json=options.json)
    return 0


def _publish(
    options: argparse.Namespace,
    publisher: Publisher,
    channel: str,
    pkgdir: Path | None,
    gates: list[Gate],
    rules: Publishing,
) -> Published:
    settings = pkgdir_settings(pkgdir)
    lock = PkgdirLock()
    repository = repository_of(settings, lock.unless_held)
    reindexer = Reindexer(repository, len(os.sched_getaffinity(0)))
    # Twice: what takes long is read without keeping emerge waiting, and then what changed since, under the lock.
    may_lose = options.force or rules.may_be_empty
    reindexer.run(force=may_lose)
    reports: list[Report] = []

    def refresh() -> None:
        reports.append(reindexer.run(force=may_lose))

    def left_out() -> dict[str, str]:
        return common.left_out(reports[-1:])

    # Of packages in another PKGDIR nobody here knows how they were built.
    described = builder().emit() if rules.builder and settings.pkgdir.samefile(here().pkgdir) else b""
    source = Source(settings.pkgdir, "published", None, lambda: lock.held(settings.pkgdir), refresh, described, left_out)
    try:
        return publisher.publish(channel, source, gates, unattended=options.unless_held, may_lose=may_lose)
    finally:
        for line in fold(left_out().items()):
            print(f"portage-ext publish: left out: {line}", file=sys.stderr)
