"""portage-ext publish: what PKGDIR holds becomes a release, if it is different and passes its gates."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from portage_ext.cli import tree as common
from portage_ext.config import settings as configuration
from portage_ext.errors import PackageError
from portage_ext.failures import GateError
from portage_ext.host.builder import builder
from portage_ext.host.here import here
from portage_ext.host.pkgdir import PkgdirLock, pkgdir_settings, repository_of
from portage_ext.repo.gates import Gate
from portage_ext.repo.publisher import Published, Publisher, Source
from portage_ext.repo.reindex import Reindexer


def arguments(parser: argparse.ArgumentParser) -> None:
    common.publisher_arguments(parser)
    parser.add_argument("--channel", metavar="NAME", help="(default: into of [publish], else channel of [release])")
    parser.add_argument("--pkgdir", type=Path, metavar="DIR", help="the package directory (default: pkgdir of the repository)")
    parser.add_argument("--renew", action="store_true", help="leave PKGDIR alone; only prolong a Release past its half-life")
    parser.add_argument(
        "--keys-next",
        nargs="+",
        metavar="FPR",
        help="leave PKGDIR alone; announce the keys that may sign the next Releases (clients with pinned root keys ignore it)",
    )
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
                done = _publish(publisher, channel, pkgdir, gates(None), describe=settings.builder)
        except GateError as error:
            return common.objections(error, as_json=options.json)
    pruned: list[int] = []
    if not options.no_prune:
        with tree.locked():
            pruned = common.prune(tree, settings, int(time.time()))
    common.told(channel, done, pruned, time.monotonic() - started, as_json=options.json)
    return 0


def _publish(publisher: Publisher, channel: str, pkgdir: Path | None, gates: list[Gate], *, describe: bool) -> Published:
    settings = pkgdir_settings(pkgdir)
    lock = PkgdirLock()
    repository = repository_of(settings, lock.unless_held)
    reindexer = Reindexer(repository, len(os.sched_getaffinity(0)))
    # Twice: what takes long is read without keeping emerge waiting, and then what changed since, under the lock.
    reindexer.run()
    left_out: dict[str, PackageError] = {}

    def refresh() -> None:
        left_out.update((error.path, error) for error in reindexer.run().left_out)

    # Of packages in another PKGDIR nobody here knows how they were built.
    described = builder().emit() if describe and settings.pkgdir.samefile(here().pkgdir) else b""
    source = Source(settings.pkgdir, "published", None, lambda: lock.held(settings.pkgdir), refresh, described)
    try:
        return publisher.publish(channel, source, gates)
    finally:
        for error in left_out.values():
            print(f"portage-ext publish: left out: {error}", file=sys.stderr)
