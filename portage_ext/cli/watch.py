"""portage-ext watch: what emerges on this host, and builds for other machines, are doing, as a graph."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from portage_ext import shown
from portage_ext.builds import running as builds
from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.builds.places import LEDGER, STATE
from portage_ext.cli import objects, places
from portage_ext.cli.main import EXIT_OK
from portage_ext.cli.screen import Screen
from portage_ext.errors import PortageExtError
from portage_ext.errors.watching import NothingRunningError
from portage_ext.graph.line import Line, signs
from portage_ext.graph.picture import Picture
from portage_ext.host import running
from portage_ext.watch.sources import Emerge, Watched

_LINES: Final = 200
"""Lines of one emerge that are printed at most."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pid", nargs="?", type=int, metavar="PID", help="the process id of one emerge (default: all that run)")
    parser.add_argument("--once", action="store_true", help="print what goes on now, and end")
    objects.option(parser)
    places.roots(parser)
    parser.add_argument("--directory", type=Path, help="where emerge says what it does (default: /run/portage of this Portage)")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 when nothing runs."""
    watched = Watched(options.directory or running.run_directory(), _Builds(options.root / STATE))
    emerges = _chosen(watched, options.pid)
    if options.json:
        objects.show({"emerges": [_as_json(one) for one in emerges]})
    elif options.once or not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM", "dumb") == "dumb":
        for one in emerges:
            _print(one)
    else:
        from portage_ext.watch.screen import follow

        follow(watched, options.pid, sys.stdout)
    return EXIT_OK


class _Builds:
    """The builds that the ledger below ``state`` knows, for those who may read it. One line tells if it cannot be read."""

    def __init__(self, state: Path) -> None:
        self._path = state / LEDGER
        self._ledger: Ledger | None = None
        self._told = False

    def __call__(self) -> list[Emerge]:
        # Only where there is one already, and for those to whom it belongs: to look must not make a ledger.
        if self._told or not os.access(self._path, os.R_OK | os.W_OK):
            return []
        try:
            if self._ledger is None:
                self._ledger = Ledger(self._path)
            return [Emerge(0, plan, moment, target) for target, plan, moment in builds.lists(self._ledger)]
        except PortageExtError as error:
            self._told = True
            print(f"portage-ext watch: {error}", file=sys.stderr)
            return []


def _chosen(watched: Watched, pid: int | None) -> list[Emerge]:
    emerges = [one for one in watched.running() if pid in (None, one.pid)]
    if not emerges:
        raise NothingRunningError(str(watched.directory), pid)
    return emerges


def _print(emerge: Emerge) -> None:
    screen = Screen()
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size((80, 24)).columns - 1 if terminal else 80
    lines = [
        Line().add(shown.line(emerge.title), "now"),
        *Picture(emerge.plan).lines(emerge.moment, width, _LINES, signs(os.environ)),
    ]
    for line in lines:
        print(line.painted() if screen.coloured else line.text())


def _as_json(emerge: Emerge) -> dict[str, Any]:
    moment, nodes = emerge.moment, emerge.plan.nodes
    running = {one.package: one for one in moment.running}
    packages = []
    for place, node in enumerate(nodes):
        state = "waiting"
        if place in moment.done:
            state = "done"
        elif place in moment.failed:
            state = "failed"
        elif place in running:
            state = "running"
        one: dict[str, Any] = {"cpv": node.cpv, "kind": str(node.kind), "root": node.root, "state": state}
        one |= {"needs": list(emerge.plan.needs[place]), "seconds": node.seconds}
        if place in running:
            one |= {"phase": running[place].phase, "since": running[place].since, "log": running[place].log}
        packages.append(one)
    total, done, failed = moment.counts or (len(nodes), len(moment.done), len(moment.failed))
    return {
        "pid": emerge.pid,
        "target": emerge.target,
        "taken": moment.taken,
        "jobs": moment.jobs,
        "total": total,
        "done": done,
        "failed": failed,
        "whole": moment.counts is None,
        "packages": packages,
    }
