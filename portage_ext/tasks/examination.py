"""The health of this client or binhost in areas, within ten seconds. Nothing is changed; no area delays the others."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from queue import Empty, Queue
from threading import Thread

from portage_ext import limits
from portage_ext.config import snapshotting
from portage_ext.errors import SettingsError
from portage_ext.explain import traps
from portage_ext.host.here import Here, binrepos, here
from portage_ext.policy import health
from portage_ext.policy.health import Area, Severity
from portage_ext.tasks import exposure, vulnerabilities
from portage_ext.tasks import health as areas
from portage_ext.tasks.releasing.gates import check_configured
from portage_ext.tasks.site import Site
from portage_ext.trust.defeats import BinrepoValues


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found, and how long it took in seconds."""

    areas: Sequence[Area]
    seconds: float

    @property
    def worst(self) -> Severity | None:
        """The worst severity; None if there are no findings."""
        found = {one.severity for one in self.areas}
        return next((one for one in (Severity.ERROR, Severity.WARNING) if one in found), None)


def examine(further: Callable[[], Mapping[str, Callable[[], Area]]] = dict) -> Examination:
    """Examine this host. What cannot be checked is an area with an error and raises nothing.

    ``further`` gives the areas of rooms above this one, by name. It may ask Portage; the areas may not.
    """
    started = time.monotonic()
    found = _examined(started, further)
    return Examination(tuple(found), time.monotonic() - started)


def _examined(started: float, further: Callable[[], Mapping[str, Callable[[], Area]]]) -> list[Area]:
    # Only this thread asks Portage, before the others start: Portage is not thread-safe.
    first = areas.guarded("Portage", traps.portage_version)
    host: Here
    repos: list[BinrepoValues] = []
    sites: list[Site] = []

    def look() -> Area:
        nonlocal host
        try:
            host = here()
        except SettingsError as error:
            broken = health.error(
                f"Portage cannot read its configuration: {error.why}", "correct the line that the message names"
            )
            return Area("configuration", "cannot be read", (broken,))
        return Area("configuration", "")

    def ask() -> Area:
        # `configuration` says which file cannot be read and why
        with contextlib.suppress(SettingsError):
            repos[:] = binrepos()
        return Area("binrepos.conf", "")

    def read() -> Area:
        sites.append(site := Site.read(host.config_root, host.eroot))
        waiting.update(_configured(site, repos))
        waiting.update(exposure.areas(site.settings.publishing, host.header_uri))
        check_configured(site)
        return Area("portage-ext.toml", "")

    def more() -> Area:
        waiting.update(further())
        return Area("ebuild repositories", "")

    looked, asked = areas.guarded("configuration", look), areas.guarded("binrepos.conf", ask)
    if looked.findings:
        return [first, looked]
    waiting: dict[str, Callable[[], Area]] = {"index": partial(areas.index, host)}
    waiting["hooks"] = partial(areas.hooks, host.eroot, host.config_root)
    waiting["last runs"] = partial(areas.last_runs, host)
    waiting["disk"] = partial(areas.disk, traps.places(host, repos))
    ours = areas.guarded("portage-ext.toml", read)
    others = areas.guarded("ebuild repositories", more)
    results = _start(waiting)
    signs = "binpkg-signing" in host.features or any(site.settings.sign.key for site in sites)
    publishes = any(site.settings.publishing.own is not None for site in sites)
    own = [
        areas.guarded("configuration", partial(traps.configuration, host, repos, publishes=publishes)),
        areas.guarded("keyring", partial(traps.keyring, host, repos, signs=signs)),
        areas.guarded(vulnerabilities.AREA, partial(vulnerabilities.area, host, repos)),
    ]
    gathered = _gather(results, waiting, started + limits.CHECK_SECONDS)
    troubles = [one for one in (asked, ours, others) if one.findings]
    return [first, *troubles, *own, *gathered]


def _configured(site: Site, repos: Sequence[BinrepoValues]) -> dict[str, Callable[[], Area]]:
    """The areas that portage-ext.toml adds, by name."""
    published = site.settings.publishing
    waiting = areas.binhosts(repos, site)
    waiting["keys"] = partial(areas.keys, site)
    snapshots = snapshotting.configured(site.config_root)
    if snapshots.policy != snapshotting.OFF:
        waiting["snapshots"] = partial(areas.snapshots, site.eroot, snapshots)
    if published.own is not None or published.repositories:
        waiting["releases"] = partial(areas.releases, published)
    return waiting | areas.mirrors(published)


def _start(waiting: Mapping[str, Callable[[], Area]]) -> Queue[tuple[str, Area]]:
    """Run each check in a daemon thread, so that a mirror that hangs does not hold up the command."""
    results: Queue[tuple[str, Area]] = Queue()

    def work(name: str, task: Callable[[], Area]) -> None:
        results.put((name, areas.guarded(name, task)))

    for name, task in waiting.items():
        Thread(target=work, args=(name, task), daemon=True).start()
    return results


def _gather(results: Queue[tuple[str, Area]], waiting: Mapping[str, object], until: float) -> list[Area]:
    found: dict[str, Area] = {}
    while len(found) < len(waiting):
        try:
            name, area = results.get(timeout=max(0.01, until - time.monotonic()))
        except Empty:
            break
        found[name] = area
    late = health.error(
        f"did not answer within {limits.CHECK_SECONDS:.0f} s", "check the network, the name server and the disks of this host"
    )
    return [found.get(name) or Area(name, "no answer", (late,)) for name in waiting]
