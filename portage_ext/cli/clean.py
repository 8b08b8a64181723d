"""portage-ext clean: say what policy no longer keeps in PKGDIR, by reason and by category; remove it only when told to."""

from __future__ import annotations

import argparse
import contextlib
import os
import time
from pathlib import Path
from typing import Final

from portage_ext import shown
from portage_ext.cli import tree as common
from portage_ext.config import settings as configuration
from portage_ext.errors import UsageError
from portage_ext.host import ebuilds
from portage_ext.host.pkgdir import PkgdirSettings, index_lock, pkgdir_settings, repository_of
from portage_ext.index.forms import PLAIN
from portage_ext.pkgdir.cleaning import Candidate, Policy, candidates, report
from portage_ext.pkgdir.reindex import Reindexer
from portage_ext.releases import contents
from portage_ext.releases.tree import Tree

_DAY: Final = 86400


def arguments(parser: argparse.ArgumentParser) -> None:
    common.tree_arguments(parser)
    parser.add_argument("--pkgdir", type=Path, metavar="DIR", help="the package directory (default: of the repository)")
    parser.add_argument("--builds", type=int, default=1, metavar="N", help="builds kept of one version and USE (default: 1)")
    parser.add_argument("--older-than", type=int, metavar="DAYS", help="also what was built earlier, but never a slot's newest")
    parser.add_argument("--keep-gone", action="store_true", help="keep versions that no ebuild repository has any more")
    parser.add_argument("--keep-released", action="store_true", help="keep what a channel of the tree offers now")
    parser.add_argument("--remove", action="store_true", help="remove it; without this nothing is removed")
    parser.add_argument("--list", action="store_true", help="name every package")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0."""
    if options.builds < 1:
        raise UsageError("--builds takes a number from 1")
    published = configuration.load(options.config_root).publishing
    configured = published.repositories.get(options.repository) if options.repository else published.own
    settings = pkgdir_settings(options.pkgdir or (configured.pkgdir if configured else None))
    root = options.tree or (configured.tree if configured else None)
    if options.keep_released and root is None:
        raise UsageError("--keep-released needs a tree: --tree, or [publish] in portage-ext.toml")
    with index_lock(settings.pkgdir):
        _reindex(settings)
        held = _held(Tree(root)) if options.keep_released and root is not None else set()
        found = _candidates(options, settings, held)
        freed, failed = _remove(settings.pkgdir, found) if options.remove else (_freed(settings.pkgdir, found), 0)
        if options.remove and found:
            _reindex(settings, force=True)
    _print(options, found, freed)
    return 1 if failed else 0


def _candidates(options: argparse.Namespace, settings: PkgdirSettings, held: set[str]) -> list[Candidate]:
    path = settings.pkgdir / PLAIN
    index = contents.parse(path.read_bytes(), str(path))
    age = None if options.older_than is None else options.older_than * _DAY
    policy = Policy(options.builds, age, not options.keep_gone)
    every = [index.entry(one) for one in index.entries]
    return candidates(every, policy, exists=ebuilds.exists, newest=ebuilds.newest, now=int(time.time()), held=held)


def _held(tree: Tree) -> set[str]:
    return {path for number in tree.channels().values() for path in tree.contents(number).entries}


def _freed(pkgdir: Path, found: list[Candidate]) -> int:
    """Bytes that come free at once: a file that a release holds too takes its room until the release goes."""
    total = 0
    for one in found:
        status = os.stat(pkgdir / one.entry.path, follow_symlinks=False)
        total += status.st_size if status.st_nlink == 1 else 0
    return total


def _remove(pkgdir: Path, found: list[Candidate]) -> tuple[int, int]:
    freed = _freed(pkgdir, found)
    for one in found:
        path = pkgdir / one.entry.path
        path.unlink()
        if path.parent != pkgdir and not any(path.parent.iterdir()):
            path.parent.rmdir()
    left = [one for one in found if (pkgdir / one.entry.path).exists()]
    return freed, len(left)


def _reindex(settings: PkgdirSettings, *, force: bool = False) -> None:
    repository = repository_of(settings, lambda _: contextlib.nullcontext())
    Reindexer(repository, len(os.sched_getaffinity(0))).run(force=force)


def _print(options: argparse.Namespace, found: list[Candidate], freed: int) -> None:
    if options.list:
        for one in found:
            print(shown.line(f"{one.entry.path}  {one.size}  {one.reason.value}"))
    for name, count, size in report(found):
        print(f"{name:<24} {count:>7} packages  {_mib(size):>10}")
    word = "removed" if options.remove else "would be removed (--remove does it)"
    total = sum(one.size for one in found)
    print(f"{len(found)} packages of {_mib(total)} {word}; {_mib(freed)} come free at once, the rest with their releases")


def _mib(size: int) -> str:
    return f"{size / 1048576:.1f} MiB"
