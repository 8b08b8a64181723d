"""Make a release from PKGDIR, from another channel or from an earlier release; it goes live if it passes its gates."""

from __future__ import annotations

import contextlib
import os
import pwd
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from portage_ext.beside import beside
from portage_ext.config.publishing import Publishing, RepositorySettings
from portage_ext.errors import EmptyPackageError
from portage_ext.errors.trust import GpgError
from portage_ext.model.release import BILL, CONFIG, PROVENANCE
from portage_ext.records import field, record
from portage_ext.releases import roots
from portage_ext.releases.beside import ANNOUNCED
from portage_ext.releases.contents import Contents
from portage_ext.releases.gates import Gate
from portage_ext.releases.made import At, Deltas, First, Pages, Published, Source, Terms
from portage_ext.releases.pool import released
from portage_ext.releases.pool.looked import PLACE, Looked
from portage_ext.releases.pool.released import Released
from portage_ext.releases.publish import Publisher
from portage_ext.releases.retention import Keep, expendable
from portage_ext.releases.tree import Tree
from portage_ext.tasks.releasing.gates import gates_of
from portage_ext.tasks.releasing.overrides import NONE, Overrides
from portage_ext.tasks.signing import Found, Signing, signer, signing_as
from portage_ext.tasks.site import Site
from portage_ext.trust.keyfiles import key_path
from portage_ext.trust.keyrings import fingerprint
from portage_ext.trust.signer import SigningKey, public_key
from portage_ext.unattended import log

if TYPE_CHECKING:
    from portage_ext.pkgdir.reindex import Report

_DAY: Final = 86400
_SAVED: Final = "var/lib/portage-ext/published"
LeftOut = Mapping[str, str]
"""What is in a PKGDIR and not in its index, by path, with the reasons."""


@record
class Outcome:
    """The result of a run for ``channel``, the numbers of the releases that retention then removed, and what was left out."""

    channel: str
    published: Published
    pruned: Sequence[int] = ()
    left_out: LeftOut = field(default_factory=dict)


def publish(
    site: Site,
    channel: str | None = None,
    *,
    pkgdir: Path | None = None,
    overrides: Overrides = NONE,
    may_lose: bool = False,
    unless_held: bool = False,
    pruning: bool = True,
    left_out: Callable[[LeftOut], None] = lambda found: None,
    warn: Callable[[str], None] = lambda text: None,
    lookup: Found | None = None,
) -> Outcome:
    """Make a release of ``pkgdir`` (None: that of the repository) in ``channel`` (None: as configured), where clients would see
    a difference.

    ``may_lose``: also if little or nothing of what there is would be offered. ``unless_held``: leave a channel that is held as
    it is. ``pruning``: remove what retention does not keep. ``left_out`` is told what no client will see, also when the release
    is refused; ``warn``, here and below, why a release has no pages. ``lookup``, here and below, waits for a signer that the
    caller has begun to look up. Raises GateError, EmptiedReleaseError, PublishError, ChangingPkgdirError, TreeError, LockError,
    GpgError, RequestError, and what kept PKGDIR from being indexed.
    """
    # What reads a PKGDIR, a third of all imports, is not for promotions and rollbacks.
    from portage_ext.host.builder import builder
    from portage_ext.host.here import here
    from portage_ext.host.pkgdir import likely_pkgdir, pkgdir_settings, repository_of
    from portage_ext.pkgdir.reindex import Reindexer
    from portage_ext.pkgdir.walk import Walker

    channel = channel or site.channel()
    rules = site.settings.publishing
    if pkgdir is None and overrides.tree is None:
        pkgdir = rules.repository(overrides.repository).pkgdir
    may_lose = may_lose or rules.may_be_empty
    walker = Walker(likely_pkgdir(site.config_root) if pkgdir is None else Path(os.path.abspath(pkgdir)))
    # PKGDIR is looked at while gpg lists keys and Portage's settings are read.
    with walker.looking_ahead(), _looked_up(site, overrides, lookup) as found:
        settings = pkgdir_settings(pkgdir)
        known = walker if walker.pkgdir == settings.pkgdir else None
        reindexer = Reindexer(repository_of(settings), len(os.sched_getaffinity(0)), walker=known)
        reports: list[Report] = []

        @contextlib.contextmanager
        def hold() -> Iterator[None]:
            with contextlib.ExitStack() as lock:
                reports.append(reindexer.run(force=may_lose, keep=lock))
                yield

        def without() -> LeftOut:
            return left_out_of(reports[-1:])

        with publisher(site, channel, overrides, lookup=found, warn=warn) as (made, gates):
            # It is not known how packages in another PKGDIR were built.
            described = builder(remember=True).emit() if rules.builder and settings.pkgdir.samefile(here().pkgdir) else b""
            ours = documents(site, overrides.repository, made.tree.root / channel, warn)
            source = Source(settings.pkgdir, "published", None, hold, described, ours, without, sizes=reindexer.sizes)
            try:
                done = made.publish(channel, source, gates, unattended=unless_held, may_lose=may_lose)
            finally:
                left_out(without())
    return Outcome(channel, done, _pruned(site, made.tree) if pruning else (), without())


def renew(
    site: Site,
    channel: str | None = None,
    *,
    overrides: Overrides = NONE,
    keys_next: Sequence[str] = (),
    pruning: bool = True,
    warn: Callable[[str], None] = lambda text: None,
    lookup: Found | None = None,
) -> Outcome:
    """Publish the content of ``channel`` (None: as configured) again, if more than half of its Release's validity is over.

    ``keys_next`` announces the keys that may sign the next Releases, and renews at once. Raises as :func:`publish`.
    """
    channel = channel or site.channel()
    with publisher(site, channel, overrides, lookup=lookup, keys_next=keys_next, warn=warn) as (made, _):
        done = made.renew(channel, force=ANNOUNCED if keys_next else "")
    return Outcome(channel, done, _pruned(site, made.tree) if pruning else ())


def promote(
    site: Site,
    origin: str,
    channel: str,
    *,
    number: int | None = None,
    unless_held: bool = False,
    overrides: Overrides = NONE,
    warn: Callable[[str], None] = lambda text: None,
    lookup: Found | None = None,
) -> Outcome:
    """Publish in ``channel`` what ``origin`` serves, or release ``number`` of ``origin``. ``unless_held``: leave a channel that
    is held as it is. Raises as :func:`publish`, and UnknownChannelError, UnknownNumberError."""
    with publisher(site, channel, overrides, lookup=lookup, warn=warn) as (made, gates):
        return Outcome(channel, made.promote(origin, channel, gates, number=number, unattended=unless_held))


def rollback(
    site: Site,
    channel: str,
    number: int | None = None,
    *,
    overrides: Overrides = NONE,
    by: str | None = None,
    warn: Callable[[str], None] = lambda text: None,
    lookup: Found | None = None,
) -> Outcome:
    """Publish release ``number`` of ``channel`` again (None: the content before this one), and hold the channel there.

    ``by`` names who does so (None: the user of this process). What was live once passed its gates: only the index is looked at
    again. Raises as :func:`publish`, and UnknownNumberError.
    """
    with publisher(site, channel, overrides, lookup=lookup, configured=("index",), warn=warn) as (made, gates):
        return Outcome(channel, made.rollback(channel, number, gates, by=by or user()))


def prune(site: Site, *, overrides: Overrides = NONE, dry_run: bool = False) -> Sequence[int]:
    """Remove the releases that nothing keeps (``dry_run``: only find them), and return their numbers. Raises TreeError."""
    tree = site.tree(overrides.repository, overrides.tree)
    with tree.locked():
        if not dry_run:
            tree.recover()
        return expended(tree, site.settings.publishing, int(time.time()), dry_run=dry_run)


@contextlib.contextmanager
def publisher(
    site: Site,
    channel: str,
    overrides: Overrides,
    *,
    lookup: Found | None = None,
    configured: Sequence[str] | None = None,
    keys_next: Sequence[str] = (),
    bases: Sequence[int] = (),
    warn: Callable[[str], None] = lambda text: None,
) -> Iterator[tuple[Publisher, list[Gate]]]:
    """A publisher for ``channel`` and its gates; ``configured`` takes the place of those in portage-ext.toml. ``bases`` are
    releases from which deltas are made, too.

    Raises UsageError, RequestError, SettingsError, GpgError.
    """
    with _looked_up(site, overrides, lookup) as found, signing_as(found()) as signing:
        with publisher_with(
            site, channel, overrides, signing, configured=configured, keys_next=keys_next, bases=bases, warn=warn
        ) as made:
            yield made


def _looked_up(site: Site, overrides: Overrides, lookup: Found | None) -> AbstractContextManager[Found]:
    """``lookup``, or a signer that is looked up while the block goes on."""
    if lookup is not None:
        return contextlib.nullcontext(lookup)
    return beside(partial(signer, site, key=overrides.key, homedir=overrides.homedir))


@contextlib.contextmanager
def publisher_with(
    site: Site,
    channel: str,
    overrides: Overrides,
    by: Signing,
    *,
    configured: Sequence[str] | None = None,
    keys_next: Sequence[str] = (),
    bases: Sequence[int] = (),
    warn: Callable[[str], None] = lambda text: None,
) -> Iterator[tuple[Publisher, list[Gate]]]:
    """As :func:`publisher`, signed ``by``."""
    tree, settings = site.tree(overrides.repository, overrides.tree), site.settings.publishing
    rules, terms, signer = settings.of(channel), site.settings.release, by.signer
    primary, following = signer.key.primary, tuple(fingerprint(one) for one in keys_next)
    # A client that was offline for long finds the announced keys beside every Release that announces them.
    keys = {key_path(primary): by.public}
    keys |= {key_path(one): public_key(signer.homedir, SigningKey(one, one)) for one in following}
    for one in () if following else _announced(tree):
        with contextlib.suppress(GpgError):  # a key of another host, or one that was removed: it stays announced
            keys[key_path(one)] = public_key(signer.homedir, SigningKey(one, one))
    gates = gates_of(site, channel, configured if overrides.gates is None else overrides.gates, by.judge(), by.matched)
    waits = channel in settings.public and rules.toolchain_wait and not overrides.at_once
    first = First(rules.toolchain, rules.toolchain_wait) if waits else None
    terms_of = Terms(terms.valid_days * _DAY, rules.grace, following or None, first)
    insist = overrides.gates is not None
    before = os.umask(0o022)  # published files are readable by everybody
    try:
        signing, pages = signer.primaries, None
        if settings.site:
            pages = _pages(site, tree, [primary, *sorted(signing - {primary})], warn)
        deltas = _deltas(tree, bases, warn) if settings.deltas or bases else None
        made = Publisher(
            tree,
            signer.sign_release,
            terms_of,
            keys=keys,
            signing=signing,
            insist=insist,
            pages=pages,
            deltas=deltas,
            looked=Looked(site.eroot / PLACE),
            released=Released(site.eroot / released.PLACE),
        )
        yield made, gates
    finally:
        os.umask(before)


def expended(tree: Tree, settings: Publishing, now: int, *, dry_run: bool = False) -> list[int]:
    """Remove the releases that nothing keeps, and return their numbers. The caller holds the lock. Raises OSError."""

    def keep(channel: str) -> Keep:
        rules = settings.of(channel)
        return Keep(rules.keep, rules.keep_age, rules.grace)

    gone = expendable(tree.known(), tree.channels(), keep, now)
    if not dry_run:
        tree.remove(*gone)
    return gone


def saved(eroot: Path) -> Path:
    """Where `portage-ext config publish` saves what releases carry from then on."""
    return eroot / _SAVED / CONFIG


def documents(
    site: Site, repository: str | None, live: Path, warn: Callable[[str], None]
) -> Callable[[Contents, At], Mapping[str, bytes]]:
    """What makes the documents of a release of PKGDIR, after that in ``live``: the bill of materials and the provenance, if
    they are wanted, and the saved configuration, so that an unattended run publishes no half-edited one. The configuration goes
    with the packages of [publish] only. ``warn`` is called with what provenance cannot be read.
    """

    def made(new: Contents, at: At) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        if repository is None:
            with contextlib.suppress(FileNotFoundError):
                found[CONFIG] = saved(site.eroot).read_bytes()
        if site.settings.publishing.bill:
            from portage_ext.releases.bill import bill  # only binhosts that publish one pay for it

            found[BILL] = bill(new)
        if site.settings.publishing.provenance:
            from portage_ext.releases import provenance

            before = b""
            with contextlib.suppress(FileNotFoundError):
                before = (live / PROVENANCE).read_bytes()
            found[PROVENANCE] = provenance.document(new, at, before, warn)
        return found

    return made


def left_out_of(reports: Iterable[Report]) -> LeftOut:
    """What reindexing left out, with the reasons. Empty files are ignored: a running emerge has reserved these names."""
    errors = [error for report in reports for error in report.left_out if not isinstance(error, EmptyPackageError)]
    return {error.path: error.reason for error in errors}


def user() -> str:
    """The user of this process, and the user behind sudo if there is one."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    behind = os.environ.get("SUDO_USER", "")
    return f"{behind} as {name}" if behind.isprintable() and 0 < len(behind) <= 64 and behind != name else name


def _pages(site: Site, tree: Tree, fingerprints: Sequence[str], warn: Callable[[str], None]) -> Pages | None:
    """What writes the pages of ``tree``, whose Releases the keys ``fingerprints`` sign; None if none are wanted.

    ``warn`` is told if a release gets no pages because of a defect in them.
    """
    rules = site.settings.publishing
    if not rules.site:
        return None
    # Only publishers that want pages pay for what writes them.
    from portage_ext.host.buildtimes import builds_here
    from portage_ext.pages.writing import About, Writer
    from portage_ext.unattended import updated

    every = [*([rules.own] if rules.own else []), *rules.repositories.values()]
    known = next((one for one in every if os.path.abspath(one.tree) == str(tree.root)), RepositorySettings(tree.root))
    title, url = known.title or tree.root.name, (known.url or "").rstrip("/")
    runs = [(one.when, one.what, one.ok) for one in log.read(site.config_root)[-1:]]
    swarm = site.settings.swarm
    builds = swarm.page if swarm.web_url else ""  # clients cannot reach a port of this host itself
    own = rules.own is not None and os.path.abspath(rules.own.tree) == str(tree.root)
    update = updated.read(site.config_root) if own else None  # which publishes there
    about = About(
        title, url, fingerprints, roots.beside(tree.root), builds_here, runs, warn=warn, builds=builds, updated=update
    )
    return Writer(about)


def _deltas(tree: Tree, bases: Sequence[int], warn: Callable[[str], None]) -> Deltas:
    """What writes the deltas of a release. Raises TreeError, InvalidIndexError."""
    # Only publishers that want deltas pay for what makes them.
    from portage_ext.host.pkgdir import zstd_flags
    from portage_ext.releases.deltas import Writer

    return Writer(tree.directory, zstd_flags, [(tree.directory(one), tree.contents(one)) for one in bases], warn)


def _pruned(site: Site, tree: Tree) -> list[int]:
    with tree.locked():
        return expended(tree, site.settings.publishing, int(time.time()))


def _announced(tree: Tree) -> tuple[str, ...]:
    known = tree.known()
    return known[max(known)].keys_next if known else ()
