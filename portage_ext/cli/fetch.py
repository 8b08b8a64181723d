"""portage-ext fetch: the fetchcommand and resumecommand of a binrepo.

The lines of binrepos.conf that call it are written by `portage-ext trust add` (config/binrepos.py).
"""

from __future__ import annotations

import argparse
import contextlib
import time
from pathlib import Path

from portage_ext import files
from portage_ext.cli.progress import Progress
from portage_ext.config import settings as configuration
from portage_ext.fetch.binrepo import Binrepo
from portage_ext.fetch.mirrors import Transports
from portage_ext.trust.memory import StateDirectory, checked_name

INDEX_NAMES = ("Packages.gz", "Packages")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repo", required=True, metavar="NAME", help="the section of binrepos.conf")
    parser.add_argument("--uri", required=True, help="what to fetch: an index or a package of that binrepo")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE")
    parser.add_argument("--root", type=Path, default=Path("/"), help="EROOT, where the state is kept")
    parser.add_argument("--config-root", type=Path, default=Path("/"), help="PORTAGE_CONFIGROOT")
    parser.add_argument("--resume", action="store_true", help="continue the partial file that is there")
    parser.add_argument("--json", action="store_true", help="progress as JSON lines on standard output")
    parser.add_argument("--quiet", action="store_true", help="say only what went wrong")


def run(options: argparse.Namespace) -> int:
    name = checked_name(options.repo)
    base, _, file = options.uri.rpartition("/")
    progress = Progress(file, json_lines=options.json, quiet=options.quiet)
    transports = Transports()
    binrepo = Binrepo(
        name=name,
        base=base,
        settings=configuration.load(options.config_root, client_only=True),
        config_root=options.config_root,
        state=StateDirectory(options.root, name),
        transports=transports,
        warn=progress.warn,
        progress=progress.advance,
    )
    try:
        if file in INDEX_NAMES:
            _index(binrepo, file, options.output, progress)
        else:
            _package(binrepo, options, progress)
    finally:
        transports.close()
        progress.close()
        _remove_empty(options.output)
    return 0


def _remove_empty(output: Path) -> None:
    """Portage makes the file for an index in /tmp beforehand, and leaves it there for ever when it could not be fetched."""
    with contextlib.suppress(OSError):
        if output.stat().st_size == 0:
            files.discard(output)


def _index(binrepo: Binrepo, file: str, output: Path, progress: Progress) -> None:
    # Imported here: a package is fetched in a process of its own, which needs none of it.
    import gzip

    from portage_ext.fetch.index import obtain

    obtained = obtain(binrepo, int(time.time()))
    # Portage looks at this copy once and throws it away: a temporary file of its own, in whose place a rename is no gain.
    with output.open("wb") as out:
        out.write(gzip.compress(obtained.text, 1, mtime=0) if file.endswith(".gz") else obtained.text)
    progress.done(f"index of {binrepo.name} verified" + ("" if obtained.fresh else " (as before)"))


def _package(binrepo: Binrepo, options: argparse.Namespace, progress: Progress) -> None:
    from dataclasses import replace

    from portage_ext.fetch import package

    wanted = package.entry_for(binrepo, options.uri)
    progress.total = wanted.entry.size
    mirror = package.fetch(replace(binrepo, base=wanted.base), options.uri, wanted, options.output, resume=options.resume)
    progress.done(f"{wanted.path} verified, {wanted.entry.size} bytes from {mirror}")
