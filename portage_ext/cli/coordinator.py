"""portage-ext coordinator: have other machines build; set up, run and look after the one that hands out the jobs."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Final

from portage_ext import files, shown
from portage_ext.builds.means import means
from portage_ext.cli import objects, places
from portage_ext.cli.screen import Screen
from portage_ext.errors import UsageError
from portage_ext.swarm import status
from portage_ext.swarm.coordinator import Coordinator
from portage_ext.swarm.master import Master, program
from portage_ext.swarm.metrics import Metrics
from portage_ext.swarm.register import Register
from portage_ext.tasks.site import Site

_NAMED: Final = (
    ("remove", "forget a builder; what it builds now is lost"),
    ("drain", "give a builder no further jobs; what it builds comes to its end"),
    ("resume", "give a builder jobs again"),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    places.config_root(parser)
    below = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    below.add_parser("setup", help="make this host a coordinator: its certificate, and its register of builders")
    below.add_parser("run", help="run Buildbot and hand out jobs, in the foreground; for a service")
    objects.option(below.add_parser("status", help="tell whether the coordinator runs, and who builds"))
    add = below.add_parser("add", help="let a machine join: print its token, or write it into a file")
    add.add_argument("name", metavar="NAME", help="what the builder is called: lower-case letters, digits and -")
    add.add_argument("--group", default="", metavar="GROUP", help="who runs the builder")
    add.add_argument("--token-file", type=Path, metavar="FILE", help="write the token there, with mode 0600")
    for name, line in _NAMED:
        one = below.add_parser(name, help=line)
        one.add_argument("name", metavar="NAME")
        if name == "drain":
            one.add_argument("reason", metavar="REASON", nargs="?", default="drained by a person")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0; of `status` 1 when the coordinator does not run."""
    if os.geteuid() != 0:
        raise UsageError("only root can run a coordinator: it keeps the secrets of builders and publishes packages")
    site = places.site(options)
    screen, register = Screen(), Register.below(site.eroot)
    if options.action == "setup":
        _set_up(site, register, screen)
    elif options.action == "run":
        _run(site, register)
    elif options.action == "status":
        return _status(register, screen, as_json=options.json)
    elif options.action == "add":
        token = register.add(options.name, options.group)
        if options.token_file is None:
            sys.stdout.write(token.emit())
        else:
            files.replace_file(options.token_file, token.emit().encode(), mode=0o600)
            screen.line(
                f"The token of {options.name} is in {options.token_file}. Copy it to the builder in a way that you trust."
            )
    elif options.action == "remove":
        register.remove(options.name)
        screen.line(f"{options.name} is no builder any more")
    else:
        register.close(options.name, options.reason if options.action == "drain" else "")
        screen.line(f"{options.name} gets {'no further jobs' if options.action == 'drain' else 'jobs again'}")
    return 0


def _set_up(site: Site, register: Register, screen: Screen) -> None:
    fingerprint = register.set_up()
    program("buildbot", site.settings.swarm.buildbot)
    screen.line(f"certificate {fingerprint}", "bold")
    screen.text(
        "Tokens of builders name this fingerprint, so a builder believes this coordinator alone. Next: set "
        'engine = "buildbot" in [build] of '
        "portage-ext.toml, start `portage-ext coordinator run` as a service, and run "
        "`portage-ext coordinator add NAME` for each builder."
    )


def _run(site: Site, register: Register) -> None:
    register.read()
    with means(site) as its:
        master = Master(register.directory / "master", site.settings.swarm, register.directory)
        coordinator = Coordinator(its, register, master, _say)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: coordinator.stop())
        with Metrics(site.settings.swarm.metrics, its.places.ledger, register.directory):
            coordinator.run()


def _say(text: str) -> None:
    print(f"portage-ext: {shown.line(text)}", file=sys.stderr, flush=True)


def _status(register: Register, screen: Screen, *, as_json: bool) -> int:
    found = status.read(register.directory)
    if as_json:
        objects.show({"running": found.is_alive, "builders": [one.name for one in found.builders if not one.closed]})
    elif found.is_alive:
        able = [one.name for one in found.builders if not one.closed]
        screen.line(
            f"The coordinator runs. Builders that take jobs: {', '.join(able) or 'none'}; `portage-ext swarm` shows more."
        )
    else:
        screen.line("The coordinator does not run. Start `portage-ext coordinator run`, as a service.", "red")
    return int(not found.is_alive)
