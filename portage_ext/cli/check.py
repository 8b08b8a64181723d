"""portage-ext check: the health of this client or binhost in one screen, within ten seconds, and nothing is changed."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from itertools import zip_longest
from queue import Empty, Queue
from threading import Thread
from typing import Final

from portage_ext import limits
from portage_ext.cli import health as areas
from portage_ext.cli.screen import Screen
from portage_ext.config import settings as configuration
from portage_ext.errors import SettingsError
from portage_ext.explain import traps as host_health
from portage_ext.host.here import Here, binrepos, here
from portage_ext.policy import health
from portage_ext.policy.health import Area, Severity
from portage_ext.trust.defeats import BinrepoValues

_STATUS: Final = {None: 0, Severity.ERROR: 1, Severity.WARNING: 3}
_COLOUR: Final = {"ok": "green", "warning": "yellow", "error": "red"}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 healthy, 1 something is broken, 3 warnings only (2 is usage)."""
    started = time.monotonic()
    found = _examined(started)
    worst = max((_STATUS[one.severity] for one in found), key=lambda status: (status == 1, status))
    if options.json:
        values = [{**asdict(one), "severity": one.severity or "ok"} for one in found]
        print(json.dumps({"status": worst, "seconds": round(time.monotonic() - started, 3), "areas": values}))
    else:
        _print(found, time.monotonic() - started)
    return worst


def _examined(started: float) -> list[Area]:
    # Portage is asked by one thread, and before it is used: it is not made for several.
    first = areas.guarded("Portage", host_health.portage_version)
    host: Here
    repos: list[BinrepoValues] = []

    def look() -> Area:
        nonlocal host
        try:
            host = here()
        except SettingsError as error:
            broken = health.error(f"Portage cannot read its configuration: {error.why}", "correct the line that it names above")
            return Area("configuration", "cannot be read", (broken,))
        return Area("configuration", "")

    def ask() -> Area:
        # `configuration` says which file cannot be read and why
        with contextlib.suppress(SettingsError):
            repos[:] = binrepos()
        return Area("binrepos.conf", "")

    looked, asked = areas.guarded("configuration", look), areas.guarded("binrepos.conf", ask)
    if looked.findings:
        return [first, looked]
    waiting: dict[str, Callable[[], Area]] = {"index": partial(areas.index, host)}
    waiting["hooks"] = partial(areas.hooks, host.eroot, host.config_root)
    waiting["last runs"] = partial(areas.last_runs, host)
    waiting["disk"] = partial(areas.disk, host_health.places(host, repos))
    signs = ["binpkg-signing"] if "binpkg-signing" in host.features else []
    ours = areas.guarded("portage-ext.toml", partial(_settings, waiting, host, repos, signs))
    results = _start(waiting)
    own = [
        areas.guarded("configuration", partial(host_health.configuration, host, repos)),
        areas.guarded("keyring", partial(host_health.keyring, host, repos, signs=bool(signs))),
    ]
    gathered = _gather(results, waiting, started + limits.CHECK_SECONDS)
    troubles = [one for one in (asked, ours) if one.findings]
    return [first, *troubles, *own, *gathered]


def _settings(waiting: dict[str, Callable[[], Area]], host: Here, repos: list[BinrepoValues], signs: list[str]) -> Area:
    """Read portage-ext.toml, and have what depends on it looked at too."""
    settings = configuration.load(host.config_root)
    published = settings.publishing
    signs += [settings.sign.key] if settings.sign.key else []
    waiting |= areas.binhosts(repos, host, settings)
    waiting["keys"] = partial(areas.keys, host, settings)
    if published.own is not None or published.repositories:
        waiting["releases"] = partial(areas.releases, host, published)
    waiting |= areas.mirrors(published)
    return Area("portage-ext.toml", "")


def _start(waiting: Mapping[str, Callable[[], Area]]) -> Queue[tuple[str, Area]]:
    """Each in a thread of its own that nobody waits for at the end: a mirror that hangs must not hold the command."""
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
        f"did not answer within {limits.CHECK_SECONDS:.0f} s", "look at the network, the name server and the disks of this host"
    )
    return [found.get(name) or Area(name, "no answer", (late,)) for name in waiting]


def _print(found: list[Area], seconds: float) -> None:
    screen = Screen()
    width = max(len(one.name) for one in found)
    for one in found:
        state = str(one.severity or "ok")
        screen.table([(f"{state:<7}", f"{one.name:<{width}}", one.summary)], (_COLOUR[state], "bold"))
        for finding, following in zip_longest(one.findings, one.findings[1:]):
            screen.text(finding.what, first="         ", indent="         ", colour=_COLOUR[finding.severity])
            # What one thing cures is told once.
            if following is None or following.remedy != finding.remedy:
                screen.text(finding.remedy, first="           do: ", indent="               ")
    counts = {kind: sum(finding.severity is kind for one in found for finding in one.findings) for kind in Severity}
    screen.line()
    told = [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in reversed(counts.items()) if count]
    screen.line(f"{', '.join(told) or 'healthy'}; {seconds:.1f} s")
