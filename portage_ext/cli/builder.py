"""portage-ext builder: make this machine build for a coordinator; take part, drain, and perform one job."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Final

from portage_ext import files, shown
from portage_ext.builds import issuing, means, orders, performing
from portage_ext.builds.cages import scratches
from portage_ext.builds.performing import Performer
from portage_ext.builds.places import Places
from portage_ext.cli import objects, places
from portage_ext.cli.screen import Screen
from portage_ext.errors import PortageExtError, UsageError
from portage_ext.limits import builds as limits
from portage_ext.swarm import tokens
from portage_ext.swarm.builder import Joined, address
from portage_ext.swarm.coordinator import REFUSED
from portage_ext.swarm.master import die_with_parent
from portage_ext.targets.store import Store
from portage_ext.tasks.site import Site

_RESULT: Final = "result.gpkg.tar"


def arguments(parser: argparse.ArgumentParser) -> None:
    places.config_root(parser)
    below = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    join = below.add_parser("join", help="make this machine a builder of a coordinator, and run it in the foreground")
    join.add_argument("url", metavar="URL", help="where the coordinator is, such as tls://builds.example:9989")
    join.add_argument("--token-file", type=Path, required=True, metavar="F", help="what `coordinator add` gave")
    join.add_argument("--no-run", action="store_true", help="join only; a service runs `portage-ext builder run`")
    below.add_parser("run", help="build for the coordinator that was joined, in the foreground; for a service")
    drain = below.add_parser("drain", help="take no further jobs; what runs comes to its end")
    drain.add_argument("reason", metavar="REASON", nargs="?", default="drained by a person")
    below.add_parser("resume", help="take jobs again")
    objects.option(below.add_parser("status", help="show what this machine says of itself, and whether it takes jobs"))
    perform = below.add_parser("perform", help="build one job as the coordinator orders it (started by Buildbot's worker)")
    perform.add_argument("directory", metavar="DIR", type=Path)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0; of `status` 1 when no jobs are taken; of `perform` 75 when this machine takes no job now."""
    if os.geteuid() != 0:
        raise UsageError("only root can run a builder: each build is a cage with mounts and namespaces of its own")
    site = places.site(options)
    joined, screen = Joined(site), Screen()
    if options.action == "join":
        joined.join(address(options.url), tokens.read(options.token_file), _command(site))
        screen.line(f"{joined.name} has joined {options.url}")
        if options.no_run:
            screen.text("It connects when `portage-ext builder run` is started, as a service. Until then it builds nothing.")
            return 0
    if options.action in ("join", "run"):
        return _run(joined)
    if options.action == "perform":
        return _perform(site, joined, options.directory)
    if options.action == "status":
        return _status(joined, screen, as_json=options.json)
    joined.drain(options.reason if options.action == "drain" else "")
    screen.line(f"{joined.name} takes {'no further jobs' if options.action == 'drain' else 'jobs again'}")
    return 0


def _command(site: Site) -> list[str]:
    """How Buildbot's worker starts `builder perform`, by this Python, whatever its own is."""
    return [sys.executable, "-m", "portage_ext.cli.main", "builder", "--config-root", str(site.config_root), "perform"]


def _run(joined: Joined) -> int:
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: stopped.append(number))
    joined.run(_say, lambda: bool(stopped))
    return 0


def _say(text: str) -> None:
    print(f"portage-ext: {shown.line(text)}", file=sys.stderr, flush=True)


def _perform(site: Site, joined: Joined, directory: Path) -> int:
    """Build the order in ``directory``; ``report.json`` and the package are left there."""
    # Buildbot's worker may be killed: nobody is left then who wants the build, and its cage ends with this process.
    die_with_parent()
    if why := joined.closed():
        _say(why)
        return REFUSED
    out = directory / "out"
    out.mkdir()
    with (directory / issuing.ORDER).open("rb") as file:
        order = orders.parse(file.read(limits.JOB_SIZE + 1), "order.json")
    performer = Performer(Places.below(site.eroot), Store(site.eroot), means.bounds(site.settings.building))
    scratches.clear(performer.places)
    said = performer.perform(order, directory / issuing.ADDITIONS, out, sys.stdout.buffer)
    if said.failure:
        _say(said.reason)
    found = sorted((out / performing.PACKAGES).rglob("*.gpkg.tar"))
    # The coordinator takes one file, and judges it; without a package it is empty.
    if len(found) == 1:
        shutil.move(found[0], directory / _RESULT)
    else:
        files.replace_file(directory / _RESULT, b"", mode=0o600)
    os.rename(out / performing.REPORT, directory / performing.REPORT)
    return 0


def _status(joined: Joined, screen: Screen, *, as_json: bool) -> int:
    try:
        name = joined.name
    except PortageExtError as error:
        screen.text(str(error), colour="red")
        return 1
    said = joined.labels()
    if as_json:
        objects.show({"name": name, "closed": said.closed, "machine": said.machine, "level": said.level, "cpus": said.cpus,
                      "memory": said.memory, "disk": said.disk, "targets": sorted(said.targets)})  # fmt: skip
    else:
        screen.line(f"{name}: {said.closed or 'takes jobs'}", "red" if said.closed else "green")
        level = f", x86-64-v{said.level}" if said.level else ""
        screen.line(
            f"{said.machine}{level}, {said.cpus} CPUs; environments of: {', '.join(sorted(said.targets)) or 'no target'}"
        )
    return int(bool(said.closed))
