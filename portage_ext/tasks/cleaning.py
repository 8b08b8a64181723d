"""Remove from PKGDIR what is no longer needed, under its lock and with an updated index; or only list it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext.errors import UsageError
from portage_ext.host import ebuilds
from portage_ext.host.pkgdir import PkgdirSettings, index_lock, pkgdir_settings, repository_of
from portage_ext.index.forms import PLAIN
from portage_ext.pkgdir.cleaning import Candidate, Policy, candidates
from portage_ext.pkgdir.reindex import Reindexer
from portage_ext.releases import contents
from portage_ext.releases.pool.names import name
from portage_ext.releases.tree import Tree
from portage_ext.tasks.site import Site

_DAY: Final = 86400


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was or would be removed. ``freed`` bytes are freed at once, the rest with the releases that hold the same files.
    ``failed`` packages could not be removed."""

    packages: Sequence[Candidate]
    freed: int
    failed: int = 0


def clean(
    site: Site,
    *,
    repository: str | None = None,
    tree: Path | None = None,
    pkgdir: Path | None = None,
    builds: int = 1,
    older_than: int | None = None,
    keep_gone: bool = False,
    keep_released: bool = False,
    remove: bool = False,
) -> Cleaned:
    """Find, and with ``remove`` remove, what ``pkgdir`` (None: that of the repository) need not keep.

    ``builds`` are kept of one version and USE; ``older_than`` days: what was built earlier goes too, but never a slot's newest;
    ``keep_gone``: versions that no ebuild repository has any more stay; ``keep_released``: what a channel of the tree offers
    now stays. Raises UsageError, PkgdirError, LockError, TreeError, OSError.
    """
    published = site.settings.publishing
    configured = published.repositories.get(repository) if repository else published.own
    settings = pkgdir_settings(pkgdir or (configured.pkgdir if configured else None))
    root = tree or (configured.tree if configured else None)
    if keep_released and root is None:
        raise UsageError("--keep-released needs a tree: --tree, or [publish] in portage-ext.toml")
    policy = Policy(builds, None if older_than is None else older_than * _DAY, not keep_gone)
    with index_lock(settings.pkgdir):
        _reindex(settings)
        held = _held(Tree(root)) if keep_released and root is not None else set()
        found = _candidates(settings.pkgdir, policy, held)
        freed = _freed(settings.pkgdir, found)
        if not (remove and found):
            return Cleaned(found, freed)
        failed = _remove(settings.pkgdir, found)
        _reindex(settings, force=True)
    return Cleaned(found, freed, failed)


def _candidates(pkgdir: Path, policy: Policy, held: set[str]) -> list[Candidate]:
    path = pkgdir / PLAIN
    index = contents.parse(path.read_bytes(), str(path))
    every = [index.entry(one) for one in index.entries]
    stay = {one for one, text in index.entries.items() if held and (one in held or name(one, text, str(path)) in held)}
    return candidates(every, policy, exists=ebuilds.exists, newest=ebuilds.newest, now=int(time.time()), held=stay)


def _held(tree: Tree) -> set[str]:
    """The paths in releases of what channels offer now."""
    return {path for number in tree.channels().values() for path in tree.contents(number).entries}


def _freed(pkgdir: Path, found: Sequence[Candidate]) -> int:
    """Bytes that are freed at once: a file that a release also holds takes space until the release is removed."""
    total = 0
    for one in found:
        status = os.stat(pkgdir / one.entry.path, follow_symlinks=False)
        total += status.st_size if status.st_nlink == 1 else 0
    return total


def _remove(pkgdir: Path, found: Sequence[Candidate]) -> int:
    for one in found:
        path = pkgdir / one.entry.path
        path.unlink()
        if path.parent != pkgdir and not any(path.parent.iterdir()):
            path.parent.rmdir()
    return sum((pkgdir / one.entry.path).exists() for one in found)


def _reindex(settings: PkgdirSettings, *, force: bool = False) -> None:
    repository = repository_of(settings, lambda _: contextlib.nullcontext())
    Reindexer(repository, len(os.sched_getaffinity(0))).run(force=force)
