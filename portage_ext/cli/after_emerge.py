"""portage-ext after-emerge: what is new in PKGDIR is signed, indexed and published, as [binhost] of portage-ext.toml says.

emerge, ebuild, quickpkg and emaint call it when they end (emerge/after.py); a timer or a person may, too. One line says what it
did.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from portage_ext import limits, shown
from portage_ext.cli import tree as common
from portage_ext.cli.sign import signing
from portage_ext.config import settings as configuration
from portage_ext.config import unattended
from portage_ext.config.publishing import Publishing
from portage_ext.config.table import SETTINGS_FILE
from portage_ext.config.unattended import Unattended
from portage_ext.errors import PortageExtError
from portage_ext.errors.releases import BusyError, GateError
from portage_ext.folding import counted, told
from portage_ext.host.builder import builder
from portage_ext.host.pkgdir import PkgdirLock, pkgdir_settings, repository_of
from portage_ext.pkgdir.reindex import Reindexer
from portage_ext.pkgdir.upkeep import Upkept, sign_and_index
from portage_ext.releases.gates import SIGNATURES
from portage_ext.releases.publish import Published, Source
from portage_ext.trust import gpg
from portage_ext.unattended import log, marks
from portage_ext.unattended.log import Run
from portage_ext.unattended.marks import Mark

WHAT = "after-emerge"


def arguments(parser: argparse.ArgumentParser) -> None:
    common.publisher_arguments(parser)
    parser.add_argument("--pending", action="store_true", help="only if a run has left something to do (as emerge calls it)")
    parser.add_argument("--force", action="store_true", help="also if little or nothing of what there is would be offered")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 done, or nothing to do, or (``--pending``) left to another run; 1 failed."""
    # A short life: the index makes many objects and no garbage worth looking for.
    gc.disable()
    root: Path = options.config_root
    status, again = 0, True
    while again and not status:
        with marks.working(root, limits.WORKER_WAIT) as alone:
            if not alone:
                return _busy(root, options)
            status = _work(root, options)
        # A run that ended meanwhile may have seen the lock and left: its mark is looked for after the lock is gone.
        options.pending = True
        again = bool(marks.free(root))
    return status


def _busy(root: Path, options: argparse.Namespace) -> int:
    error = BusyError(str(root), limits.WORKER_WAIT)
    if not options.pending:
        raise error
    print(f"portage-ext: {error}", file=sys.stderr)
    return 0


def _work(root: Path, options: argparse.Namespace) -> int:
    started = time.monotonic()
    release: int | None = None
    try:
        whole = configuration.load(root)
        settings = whole.unattended
        left = marks.free(root)
        if settings.after_emerge == unattended.OFF:
            if not options.pending:
                line = f'{root / SETTINGS_FILE}: after-emerge in [binhost] is "off"; nothing was done'
                print(line)
                log.append(root, Run(int(time.time()), WHAT, True, line))
            marks.remove(left)
            return 0
        said: list[str] = []
        ok = True
        for target in _targets(options, whole.publishing, left):
            done = _upkeep(options, settings, target)
            release = done.release or release
            said += [done.line] if done.line else []
            if done.whole:
                marks.remove(target.marks)
            else:
                # The next run tries again what could not be signed, also one that changes nothing.
                ok, left = False, [mark for mark in left if mark not in target.marks]
        # By hand one PKGDIR is worked on, and `run` goes on with what was asked for. A mark that no table names is nobody's.
        if options.pending:
            marks.remove(left)
        line = "; ".join(said)
    except GateError as error:
        line, ok = "; ".join([*error.lines[:3], str(error)]), False
    except (PortageExtError, OSError) as error:
        line, ok = str(error), False
    except Exception as error:  # noqa: BLE001 - a defect of ours, which the log must have too
        traceback.print_exc()
        line, ok = f"{type(error).__name__}: {error}", False
    line = shown.line(line)
    seconds = time.monotonic() - started
    if line and ok:
        line = f"{line} ({seconds:.1f} s)"
        print(f"portage-ext: {line}")
    elif ok and not options.pending:
        # Written down as well: `portage-ext check` tells of a failure until a later run went well.
        line = "nothing new in PKGDIR"
        print(f"portage-ext: {line}")
    elif not ok:
        line = f"after-emerge FAILED: {line}"
        print(f"portage-ext: {line}", file=sys.stderr)
    if line:
        log.append(root, Run(int(time.time()), WHAT, ok, line, release, seconds))
    return 0 if ok else 1


@dataclass(frozen=True, slots=True)
class _Target:
    """A PKGDIR to work on (None: Portage's), the repository that it is published as, and the marks that ask for it."""

    repository: str | None
    pkgdir: Path | None
    marks: tuple[Mark, ...]


def _targets(options: argparse.Namespace, settings: Publishing, left: Iterable[Mark]) -> list[_Target]:
    """What is to be looked after: with ``--pending`` where marks ask for it, else the repository that was named."""
    named = {name: one.pkgdir for name, one in settings.repositories.items() if one.pkgdir is not None}
    own = None if settings.own is None else settings.own.pkgdir
    if not options.pending:
        pkgdir = named.get(options.repository) if options.repository else own
        return [_Target(options.repository, pkgdir, ())]
    every: list[tuple[str | None, Path]] = [(None, own or _portage_pkgdir()), *named.items()]
    by_pkgdir: dict[str, list[Mark]] = {}
    for mark in left:
        by_pkgdir.setdefault(os.path.realpath(mark.pkgdir), []).append(mark)
    found = ((name, pkgdir, by_pkgdir.get(os.path.realpath(pkgdir))) for name, pkgdir in every)
    return [_Target(name, pkgdir, tuple(asking)) for name, pkgdir, asking in found if asking]


def _portage_pkgdir() -> Path:
    return pkgdir_settings(None).pkgdir


@dataclass(frozen=True, slots=True)
class _Done:
    """``whole``: every new package is signed, where packages are."""

    line: str
    release: int | None = None
    whole: bool = True


def _upkeep(options: argparse.Namespace, settings: Unattended, target: _Target) -> _Done:
    config = configuration.load(options.config_root)
    pkgdir = pkgdir_settings(target.pkgdir)
    lock = PkgdirLock()
    reindexer = Reindexer(repository_of(pkgdir, lock.unless_held), len(os.sched_getaffinity(0)))
    publishes = settings.after_emerge == unattended.PUBLISH
    if not (publishes or config.sign.key or config.sign.homedir or options.key):
        with lock.held(pkgdir.pkgdir):
            return _Done(_line(Upkept((), reindexer.run(force=options.force))))
    with signing(options, unattended=True) as (signer, ring):
        fingerprint = signer.key.fingerprint
        judge = gpg.judge_many([ring], frozenset({fingerprint}))
        kept: list[Upkept] = []
        xpak, may_lose = True, bool(options.force)

        def refresh() -> None:
            kept.append(sign_and_index(reindexer, signer, judge, fingerprint, force=may_lose, xpak=xpak))

        def left_out() -> dict[str, str]:
            unsigned = kept[-1].unsigned
            return common.left_out([kept[-1].report]) | ({} if unsigned is None else dict(unsigned.why))

        if not publishes:
            with lock.held(pkgdir.pkgdir):
                refresh()
            return _Done(_line(kept[0]), None, kept[0].unsigned is None)
        options.repository = target.repository
        tree, rules = common.chosen(options)
        channel = settings.channel or rules.channel or config.release.channel
        publisher, make = common.publisher_with(options, channel, signer, ring)
        gates = make(None)
        # Where releases have signed packages only, one that cannot be signed must not keep back the others.
        xpak = not any(gate.name == SIGNATURES for gate in gates)
        described = builder().emit() if rules.builder else b""
        source = Source(pkgdir.pkgdir, "published", None, lambda: lock.held(pkgdir.pkgdir), refresh, described, left_out)
        may_lose = may_lose or rules.may_be_empty
        published = publisher.publish(channel, source, gates, unattended=True, may_lose=may_lose)
        with tree.locked():
            common.prune(tree, rules, int(time.time()))
    release = published.number if published.release else None
    return _Done(_line(*kept, channel=channel, published=published), release, kept[-1].unsigned is None)


def _line(*kept: Upkept, channel: str = "", published: Published | None = None) -> str:
    """What was done, in one line; empty when there was nothing to do."""
    signed = {path for one in kept for path in one.signed}
    new = {path for one in kept for path in (*one.report.added, *one.report.changed)}
    gone = {path for one in kept for path in one.report.removed} - new
    left_out = common.left_out(one.report for one in kept)
    parts = []
    if new or signed:
        how = "signed and indexed" if signed >= new else f"indexed, {len(signed)} of them signed now" if signed else "indexed"
        count = len(new) or len(signed)
        parts.append(f"{counted(count)} {how}")
    if gone:
        parts.append(f"{len(gone)} gone")
    if published is not None and published.release is not None:
        parts.append(f"{'renewed' if published.held else 'published'} as release {published.number} of {channel}")
        if not published.difference and published.beside and not published.held:
            parts.append(f"new: {', '.join(published.beside)}")
    if parts and published is not None and published.held:
        parts.append(f"not published: {channel} is {published.held}, {common.UNTIL}")
    if parts and left_out:
        parts.append(f"left out: {told(left_out.items())}")
    unsigned = [] if kept[-1].unsigned is None else [str(kept[-1].unsigned)]
    return "; ".join([*unsigned, *([", ".join(parts)] if parts else [])])
