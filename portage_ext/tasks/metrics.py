"""Figures of this host for a monitoring system: releases and their expiry, what is left out, the last runs, bytes served.

If a part cannot be read, it is named, and all other figures are still reported: a monitoring system must not lose sight of
the expiry because a log was rotated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext.config.publishing import RepositorySettings
from portage_ext.errors import PortageExtError
from portage_ext.host.pkgdir import pkgdir_settings
from portage_ext.pages import facts
from portage_ext.pkgdir import survey
from portage_ext.releases.tree import Tree
from portage_ext.tasks import status
from portage_ext.tasks.site import Site
from portage_ext.unattended import log, served

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: name, kind (``gauge`` or ``counter``) and meaning, as Prometheus has them, and its samples."""

    name: str
    kind: str
    help: str
    samples: Sequence[tuple[Labels, float]]


@dataclass(frozen=True, slots=True)
class Figures:
    """All metrics that could be had, and the parts that could not, in words."""

    metrics: Sequence[Metric]
    troubles: Sequence[str]


_RELEASE: Final = (
    ("number", "Number of the release that the channel serves."),
    ("created_timestamp_seconds", "When that release was made."),
    ("expires_timestamp_seconds", "When clients begin to refuse it."),
    ("packages", "Package files in it."),
    ("package_bytes", "Size of its package files."),
    ("held", "1 if the channel was rolled back and is held, else 0."),
)
_RUN: Final = (
    ("timestamp_seconds", "When the last unattended run of this name ended."),
    ("success", "1 if it succeeded, else 0."),
    ("duration_seconds", "How long it took."),
)


def metrics(site: Site, *, now: float | None = None) -> Figures:
    """The figures of ``site``. Raises nothing that a single part raises: that is among the troubles."""
    troubles: list[str] = []
    found: list[Metric] = []
    for part in (_releases, _kept, _left_out, _followed, _runs, _served):
        try:
            found += part(site, troubles.append)
        except (PortageExtError, OSError) as error:
            troubles.append(str(error))
    collected = time.time() if now is None else now
    found.append(_metric("collected_timestamp_seconds", "When these figures were collected.", [((), collected)]))
    return Figures([one for one in found if one.samples], troubles)


def _repositories(site: Site) -> list[tuple[str, RepositorySettings]]:
    rules = site.settings.publishing
    return [*([("", rules.own)] if rules.own else []), *rules.repositories.items()]


def _metric(name: str, help: str, samples: Sequence[tuple[Labels, float]], kind: str = "gauge") -> Metric:
    return Metric(f"portage_ext_{name}", kind, help, samples)


def _releases(site: Site, trouble: Callable[[str], None]) -> Iterator[Metric]:
    samples: dict[str, list[tuple[Labels, float]]] = {name: [] for name, _ in _RELEASE}
    for repository, settings in _repositories(site):
        tree = Tree(settings.tree)
        for channel, number in tree.channels().items():
            labels = (("repository", repository), ("channel", channel))
            try:
                release, contents, note = tree.release(number), tree.contents(number), tree.note(number)
            except PortageExtError as error:
                trouble(str(error))
                continue
            sizes = (facts.number(facts.value_of(one, b"SIZE").decode("ascii", "replace")) for one in contents.entries.values())
            values = (number, release.created, release.expires, len(contents.entries), sum(sizes), note.hold is not None)
            for (name, _), value in zip(_RELEASE, values, strict=True):
                samples[name].append((labels, float(value)))
    for name, help in _RELEASE:
        yield _metric(f"release_{name}", help, samples[name])


def _kept(site: Site, trouble: Callable[[str], None]) -> Iterator[Metric]:
    counts = [((("repository", name),), float(len(Tree(one.tree).numbers()))) for name, one in _repositories(site)]
    yield _metric("releases", "Releases in the tree, of all channels.", counts)


def _left_out(site: Site, trouble: Callable[[str], None]) -> Iterator[Metric]:
    packages: list[tuple[Labels, float]] = []
    missing: list[tuple[Labels, float]] = []
    for repository, settings in _repositories(site):
        try:
            pkgdir = pkgdir_settings(settings.pkgdir).pkgdir
            # An empty file is the name that a running emerge has reserved.
            there = {path for path, (size, _) in survey.files(pkgdir).items() if size}
            listed = survey.index(pkgdir) or {}
        except PortageExtError as error:
            trouble(str(error))
            continue
        packages.append(((("repository", repository),), float(len(there))))
        missing.append(((("repository", repository),), float(len(there - listed.keys()))))
    yield _metric("pkgdir_packages", "Package files in PKGDIR.", packages)
    yield _metric("pkgdir_left_out_packages", "Package files in PKGDIR that its index does not list.", missing)


def _followed(site: Site, trouble: Callable[[str], None]) -> Iterator[Metric]:
    found, why = status.followed(site)
    if why:
        trouble(why)
    seen = [one for one in found if one.seen is not None]
    numbers = [((("binrepo", one.name),), float(one.seen.version)) for one in seen if one.seen is not None]
    expiry = [((("binrepo", one.name),), float(one.expires)) for one in seen if one.expires]
    yield _metric("followed_release_number", "Number of the last Release seen of a binhost that this host follows.", numbers)
    yield _metric("followed_expires_timestamp_seconds", "When this host begins to refuse it.", expiry)


def _runs(site: Site, trouble: Callable[[str], None]) -> Iterator[Metric]:
    last = {one.what: one for one in log.read(site.config_root)}
    samples: dict[str, list[tuple[Labels, float]]] = {name: [] for name, _ in _RUN}
    for what, run in sorted(last.items()):
        for (name, _), value in zip(_RUN, (run.when, run.ok, run.seconds), strict=True):
            samples[name].append(((("run", what),), float(value)))
    for name, help in _RUN:
        yield _metric(f"last_run_{name}", help, samples[name])


def _served(site: Site, trouble: Callable[[str], None]) -> Iterator[Metric]:
    logs = site.settings.metrics.logs
    if not logs:
        return
    repositories = _repositories(site)
    trees = {one.tree.name: tuple(Tree(one.tree).channels()) for _, one in repositories}
    names = {one.tree.name: repository for repository, one in repositories}
    totals: dict[tuple[str, str], served.Served] = {}
    for path in logs:
        for key, one in _log(path, trees, trouble).items():
            total = totals.setdefault(key, served.Served())
            total.requests += one.requests
            total.size += one.size
    told = [((("repository", names[tree]), ("channel", channel)), one) for (tree, channel), one in sorted(totals.items())]
    requests = [(labels, float(one.requests)) for labels, one in told]
    sizes = [(labels, float(one.size)) for labels, one in told]
    yield _metric("served_requests_total", "Requests for the tree in the web server's logs.", requests, "counter")
    yield _metric("served_bytes_total", "Bytes of the answers to them.", sizes, "counter")


def _log(path: Path, trees: dict[str, tuple[str, ...]], trouble: Callable[[str], None]) -> dict[tuple[str, str], served.Served]:
    try:
        return served.read(path, trees)
    except OSError as error:
        trouble(f"{path}: cannot be read: {error.strerror}")
        return {}
