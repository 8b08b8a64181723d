"""Sign, index and publish new packages of PKGDIR, as [binhost] of portage-ext.toml says; one line says what was done.

emerge leaves a mark before it changes a PKGDIR and starts this work when it ends (emerge/after). Only one run works at a
time. It looks for new marks before it ends.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from portage_ext import limits, shown
from portage_ext.config import unattended
from portage_ext.config.publishing import Publishing
from portage_ext.config.table import SETTINGS_FILE
from portage_ext.errors import LockError, PortageExtError
from portage_ext.errors.releases import BusyError, GateError, folded
from portage_ext.folding import told
from portage_ext.host.builder import builder
from portage_ext.host.pkgdir import PkgdirLock, likely_pkgdir, pkgdir_settings, repository_of
from portage_ext.pkgdir.reindex import Reindexer
from portage_ext.pkgdir.upkeep import Upkept, sign_and_index
from portage_ext.pkgdir.walk import Walker
from portage_ext.releases.made import Published, Source
from portage_ext.releases.note import UNTIL
from portage_ext.tasks.releasing.overrides import NONE, Overrides
from portage_ext.tasks.releasing.publishing import LeftOut, documents, expended, left_out_of, publisher_with
from portage_ext.tasks.signing import Signing, signing
from portage_ext.tasks.site import Site
from portage_ext.unattended import log, marks
from portage_ext.unattended.log import Run
from portage_ext.unattended.marks import Mark
from portage_ext.words import counted

WHAT: Final = "after-emerge"


@dataclass(frozen=True, slots=True, eq=False)
class Upkeep:
    """The result of a run: ``line`` says what it did or why it failed, and is empty if there was nothing to do.

    ``defect`` is an unexpected exception, which is a defect of portage-ext.
    """

    ok: bool
    line: str
    release: int | None = None
    defect: Exception | None = None


def upkeep(
    config_root: Path,
    *,
    pending: bool = False,
    may_lose: bool = False,
    overrides: Overrides = NONE,
    former: Sequence[int] = (),
) -> Iterator[Upkeep]:
    """Process the PKGDIR of ``overrides.repository``, then those for which other runs have left marks in the meantime. Yields
    one result per round, which is also written to the log of runs. Ends after a failed round.

    ``pending``: process only PKGDIRs with marks. ``may_lose``: publish even if few packages or none would be offered.
    ``former`` as for the Reindexer. It takes the root and reads the configuration in each round, because a file that cannot be
    read is a failed run, and because it may have waited for another run. Raises BusyError if another run works for too long,
    LockError, OSError.
    """
    again = True
    while again:
        with marks.working(config_root, limits.WORKER_WAIT) as alone:
            if not alone:
                raise BusyError(str(config_root), limits.WORKER_WAIT)
            done = _logged(config_root, _Order(pending, may_lose, overrides, former))
        yield done
        # A run that ended in the meantime may have found the lock held and left. So look for its mark after releasing it.
        pending = True
        again = done.ok and bool(marks.free(config_root))


@dataclass(frozen=True, slots=True)
class _Order:
    """The arguments of :func:`upkeep`."""

    pending: bool
    may_lose: bool
    overrides: Overrides
    former: Sequence[int]


def _logged(root: Path, order: _Order) -> Upkeep:
    started = time.monotonic()
    try:
        walker = Walker(likely_pkgdir(root))
        # PKGDIR is looked at while the settings are read and gpg lists keys.
        with walker.looking_ahead(_wanted(root, walker, order)):
            done = _round(Site.read(root), order, walker)
    except Exception as error:  # noqa: BLE001 - every failure must be in the log
        done = _failed(error)
    line, seconds = shown.line(done.line), time.monotonic() - started
    if not done.ok:
        line = f"{WHAT} FAILED: {line}"
    elif not line and not order.pending:
        # This is logged too: `portage-ext check` reports a failure until a later run succeeds.
        line = "nothing new in PKGDIR"
    try:
        if line:
            log.append(root, Run(int(time.time()), WHAT, done.ok, line, done.release, seconds))
    except (LockError, OSError) as error:
        return replace(done, ok=False, line=f"{line}; cannot write the log of runs: {shown.line(str(error))}")
    return replace(done, line=line)


def _wanted(root: Path, walker: Walker, order: _Order) -> bool:
    """Whether this run will look at the PKGDIR of ``walker``, as far as can be seen so early."""
    if not order.pending:
        return order.overrides.repository is None
    return any(mark.pkgdir == walker.pkgdir for mark in marks.free(root))


def _failed(error: Exception, release: int | None = None) -> Upkeep:
    match error:
        case GateError():
            return Upkeep(False, "; ".join([*error.lines[:3], str(error)]), release)
        case PortageExtError() | OSError():
            return Upkeep(False, str(error), release)
        case _:
            return Upkeep(False, f"{type(error).__name__}: {error}", release, error)


def _round(site: Site, order: _Order, walker: Walker) -> Upkeep:
    started, left, pending = time.monotonic(), marks.free(site.config_root), order.pending
    if site.settings.unattended.after_emerge == unattended.OFF:
        marks.remove(left)
        off = f'{site.config_root / SETTINGS_FILE}: after-emerge in [binhost] is "off"; nothing was done'
        return Upkeep(True, "" if pending else off)
    whole = Upkeep(True, "")
    targets = _marked(site, left) if pending else [_named(site.settings.publishing, order.overrides.repository)]
    for target in targets:
        try:
            done = _looked_after(site, target, order, walker)
        except Exception as error:  # noqa: BLE001 - as above; what was published before it is published
            return _failed(error, whole.release)
        line = "; ".join(filter(None, (whole.line, done.line)))
        whole = Upkeep(whole.ok and done.ok, line, done.release or whole.release)
        if done.ok:
            marks.remove(target.marks)
        else:
            # The next run tries to sign these packages again, even if it changes nothing.
            left = [mark for mark in left if mark not in target.marks]
    # A run by hand processes one PKGDIR first; `upkeep` then goes on with the marks. A mark without a table is dropped.
    if pending:
        marks.remove(left)
    if whole.ok and whole.line:
        return replace(whole, line=f"{whole.line} ({time.monotonic() - started:.1f} s)")
    return whole


@dataclass(frozen=True, slots=True)
class _Target:
    """A PKGDIR to process (None: Portage's), the repository that it is published as, and its marks."""

    repository: str | None
    pkgdir: Path | None
    marks: tuple[Mark, ...] = ()


def _named(settings: Publishing, repository: str | None) -> _Target:
    """The named repository, with or without marks."""
    found = settings.repositories.get(repository) if repository else settings.own
    return _Target(repository, None if found is None else found.pkgdir)


def _marked(site: Site, left: Iterable[Mark]) -> list[_Target]:
    """The PKGDIRs that the marks ``left`` name, and those with packages that no longer wait for a toolchain."""
    settings = site.settings.publishing
    named = {name: one.pkgdir for name, one in settings.repositories.items() if one.pkgdir is not None}
    own = None if settings.own is None else settings.own.pkgdir
    every: list[tuple[str | None, Path]] = [(None, own or pkgdir_settings(None).pkgdir), *named.items()]
    by_pkgdir: dict[str, list[Mark]] = {}
    for mark in left:
        by_pkgdir.setdefault(os.path.realpath(mark.pkgdir), []).append(mark)
    found = ((name, pkgdir, by_pkgdir.get(os.path.realpath(pkgdir))) for name, pkgdir in every)
    return [_Target(name, pkgdir, tuple(asking or ())) for name, pkgdir, asking in found if asking or _due(site, name)]


def _due(site: Site, repository: str | None) -> bool:
    """Whether packages of ``repository`` have waited long enough for clients to get a toolchain. Raises TreeError."""
    settings, rules = site.settings.publishing, site.settings.unattended
    known = settings.own if repository is None else settings.repositories.get(repository)
    if known is None or rules.after_emerge != unattended.PUBLISH:
        return False
    tree, channel = site.tree(repository), rules.channel or site.channel()
    number = tree.channels().get(channel)
    note = None if number is None else tree.note(number)
    return note is not None and note.hold is None and note.waiting is not None and note.waiting.until <= time.time()


def _looked_after(site: Site, target: _Target, order: _Order, walker: Walker) -> Upkeep:
    """``ok`` when every new package is signed, where packages are. ``walker`` may have looked ahead."""
    overrides, may_lose = replace(order.overrides, repository=target.repository), order.may_lose
    pkgdir, lock = pkgdir_settings(target.pkgdir), PkgdirLock()
    repository, known = repository_of(pkgdir, lock.unless_held), walker if walker.pkgdir == pkgdir.pkgdir else None
    reindexer = Reindexer(repository, len(os.sched_getaffinity(0)), walker=known, former=order.former)
    sign, publishes = site.settings.sign, site.settings.unattended.after_emerge == unattended.PUBLISH
    if not (publishes or sign.key or sign.homedir or overrides.key):
        with lock.held(pkgdir.pkgdir):
            return Upkeep(True, _line(Upkept((), reindexer.run(force=may_lose))))
    with signing(site, key=overrides.key, homedir=overrides.homedir, unattended=True) as by:
        if publishes:
            return _published(site, reindexer, lock, by, overrides, may_lose=may_lose)
        with lock.held(pkgdir.pkgdir):
            kept = sign_and_index(reindexer, by.signer, by.judge(pkgdir.policy), by.key, force=may_lose)
        return Upkeep(kept.unsigned is None, _line(kept))


def _published(
    site: Site, reindexer: Reindexer, lock: PkgdirLock, by: Signing, overrides: Overrides, *, may_lose: bool
) -> Upkeep:
    rules, pkgdir = site.settings.publishing, reindexer.repository.pkgdir
    channel = site.settings.unattended.channel or site.channel()
    kept: list[Upkept] = []
    troubles: list[str] = []
    with publisher_with(site, channel, overrides, by, warn=troubles.append) as (publisher, gates):
        # If releases have only signed packages, one that cannot be signed must not block the others.
        xpak = not any(gate.name == "signatures" for gate in gates)
        may_lose = may_lose or rules.may_be_empty
        judge = by.judge(reindexer.repository.policy)

        @contextmanager
        def hold() -> Iterator[None]:
            with lock.held(pkgdir):
                # What is compared before it is indexed is not compared again by the gate `signatures`.
                matched = None if xpak else by.matched
                done = sign_and_index(reindexer, by.signer, judge, by.key, force=may_lose, xpak=xpak, matched=matched)
                kept.append(done)
                yield

        def left_out() -> LeftOut:
            unsigned = kept[-1].unsigned
            return {**left_out_of([kept[-1].report]), **({} if unsigned is None else unsigned.why)}

        described = builder(remember=True).emit() if rules.builder else b""
        live = publisher.tree.root / channel
        ours = documents(site, overrides.repository, live, troubles.append)
        source = Source(pkgdir, "published", None, hold, described, ours, left_out, sizes=reindexer.sizes)
        published = publisher.publish(channel, source, gates, unattended=True, may_lose=may_lose)
        with publisher.tree.locked():
            expended(publisher.tree, rules, int(time.time()))
    release = published.number if published.release else None
    troubles += folded(published.warnings)
    line = "; ".join(filter(None, (_line(*kept, channel=channel, published=published), *troubles)))
    return Upkeep(kept[-1].unsigned is None, line, release)


def _line(*kept: Upkept, channel: str = "", published: Published | None = None) -> str:
    """What was done, in one line; empty when there was nothing to do."""
    signed = {path for one in kept for path in one.signed}
    new = {path for one in kept for path in (*one.report.added, *one.report.changed)}
    gone = {path for one in kept for path in one.report.removed} - new
    left_out = left_out_of(one.report for one in kept)
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
        parts.append(f"not published: {channel} is {published.held}, {UNTIL}")
    if published is not None and published.waiting is not None:
        parts.append(published.waiting.text(time.time()))
    if parts and left_out:
        parts.append(f"left out: {told(left_out.items())}")
    unsigned = [] if kept[-1].unsigned is None else [str(kept[-1].unsigned)]
    return "; ".join([*unsigned, *([", ".join(parts)] if parts else [])])
