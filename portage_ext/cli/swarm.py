"""portage-ext swarm: the builders, what they build, and what waits for them and why."""

from __future__ import annotations

import argparse
import time
from typing import Any, Final

from portage_ext.builds.ledger.entries import Entry
from portage_ext.builds.means import Means, means
from portage_ext.cli import objects, places
from portage_ext.cli.screen import Screen
from portage_ext.swarm import status
from portage_ext.swarm.register import Register
from portage_ext.swarm.status import Running, Seen, Status
from portage_ext.words import counted, size, spell

_SHOWN: Final = 20
_SECONDS: Final = 2.0


def arguments(parser: argparse.ArgumentParser) -> None:
    places.config_root(parser)
    parser.add_argument("--live", action="store_true", help="show it again every two seconds, until Ctrl-C")
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 when the coordinator does not run."""
    site = places.site(options)
    register = Register.below(site.eroot)
    with means(site) as its:
        while True:
            found = status.read(register.directory)
            if options.json:
                objects.show(_told(found, its) | {"page": site.settings.swarm.page})
            else:
                screen = Screen()
                if options.live:
                    screen.line("\033[H\033[2J", "")
                _show(found, its, screen)
                if page := site.settings.swarm.page:
                    screen.line(f"Buildbot's page: {page}")
            if not options.live:
                return int(not found.is_alive)
            try:
                time.sleep(_SECONDS)
            except KeyboardInterrupt:
                return int(not found.is_alive)


def _told(found: Status, its: Means) -> dict[str, Any]:
    queued = [its.ledger.get(one.key) for one in its.ledger.waiting()]
    return {
        "coordinator": found.is_alive,
        "builders": [{name: getattr(one, name) for name in Seen.__slots__} for one in found.builders],
        "running": [
            {"key": one.key, "cpv": its.ledger.get(one.key).job.cpv, "builder": one.builder, "started": one.started,
             "estimate": one.estimate}
            for one in found.running
        ],
        "queue": [
            {"key": entry.key, "cpv": entry.job.cpv, "target": entry.target, "reason": entry.reason} for entry in queued
        ],
    }  # fmt: skip


def _show(found: Status, its: Means, screen: Screen) -> None:
    if not found.is_alive:
        screen.line("The coordinator does not run. Start `portage-ext coordinator run`, as a service.", "red")
    screen.line(counted(len(found.builders), "builder"), "bold")
    screen.table([_builder(one) for one in found.builders], ("bold",), indent="  ")
    screen.line(f"{counted(len(found.running), 'build')} running", "bold")
    screen.table([_running(one, its.ledger.get(one.key)) for one in found.running], ("bold",), indent="  ")
    queue = its.ledger.waiting()
    screen.line(f"{counted(len(queue), 'job')} waiting", "bold")
    entries = [its.ledger.get(one.key) for one in queue[:_SHOWN]]
    screen.table([(one.job.cpv, one.target, one.reason or "is looked at next") for one in entries], ("bold",), indent="  ")
    if len(queue) > _SHOWN:
        screen.line(f"  and {counted(len(queue) - _SHOWN, 'more job')}")


def _builder(one: Seen) -> tuple[str, ...]:
    level = f" v{one.level}" if one.level else ""
    what = f"{one.machine}{level}, {one.cpus} CPUs, {size(one.memory)}" if one.machine else "not connected yet"
    return one.name, what, one.closed or (f"builds {counted(len(one.running), 'job')}" if one.running else "is free")


def _running(one: Running, entry: Entry) -> tuple[str, ...]:
    runs = max(0, int(time.time()) - one.started)
    of = f" of about {spell(one.estimate)}" if one.estimate else ""
    return entry.job.cpv, entry.target, one.builder, f"for {spell(runs)}{of}"
