"""portage-ext fetch: the fetchcommand and resumecommand of a binrepo.

The lines of binrepos.conf that call it are written by `portage-ext trust add` (config/binrepos.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from portage_ext.cli import objects, places
from portage_ext.cli.progress import Progress
from portage_ext.tasks import fetching
from portage_ext.tasks.fetching import FetchedIndex, FetchedPackage
from portage_ext.words import size

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repo", required=True, metavar="NAME", help="the section of binrepos.conf")
    parser.add_argument("--uri", required=True, help="what to fetch: an index or a package of that binrepo")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE")
    places.roots(parser)
    parser.add_argument("--resume", action="store_true", help="continue the partial file that is there")
    objects.option(parser)
    parser.add_argument("--quiet", action="store_true", help="say only what went wrong")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 it is there and verified."""
    progress = Progress(options.uri.rpartition("/")[2], json_lines=options.json, quiet=options.quiet)
    site = places.site(options, client_only=True)
    try:
        done = fetching.fetch(site, options.repo, options.uri, options.output, resume=options.resume, listener=progress)
        progress.done(_told(done))
    finally:
        progress.close()
    return 0


def _told(done: FetchedIndex | FetchedPackage) -> str:
    if isinstance(done, FetchedIndex):
        return f"index of {done.binrepo} verified{'' if done.fresh else ', unchanged'}"
    if done.received < done.size:
        saved = f"{size(done.size - done.received)} of {size(done.size)} saved"
        return f"{done.path} verified, made from the older package here and {size(done.received)} from {done.mirror}; {saved}"
    return f"{done.path} verified, {size(done.size)} from {done.mirror}"
