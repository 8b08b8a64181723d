"""portage-ext build: packages for another machine, built here in that machine's environment."""

from __future__ import annotations

import argparse
import json
import os
from typing import Final, cast

from portage_ext.builds.key import Grade, Job
from portage_ext.builds.ledger import Entry, Ledger
from portage_ext.builds.publishing import pkgdir_of
from portage_ext.cli.builds import opened, publish, told
from portage_ext.cli.screen import Screen
from portage_ext.config import settings as configuration
from portage_ext.host.here import here

_STATES: Final = {
    "published": ("exists", "green"),
    "checked": ("built, to be published", "green"),
    "queued": ("to build", "blue"),
    "running": ("is being built by another run", "blue"),
    "failed": ("failed before", "red"),
    "cancelled": ("to build", "blue"),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TARGET", help="a target of `portage-ext target list`")
    parser.add_argument("atoms", metavar="ATOM", nargs="+", help="packages, with their category")
    parser.add_argument("--pretend", "-p", action="store_true", help="show the list, and build nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 everything is published (or, with --pretend, could be built), 1 something is not."""
    host = here()
    settings = configuration.load(host.config_root)
    pkgdir = pkgdir_of(options.target, settings)
    grade = cast(Grade, settings.building.grade)
    with opened(host, settings.building) as (ledger, runner):
        runner.recover()
        jobs, missing = runner.plan(options.target, tuple(options.atoms))
        if missing or options.pretend:
            return _show(options, ledger, jobs, missing, grade)
        entries = [ledger.request(job.key(grade), options.target, job) for job in jobs]
        if not options.json:
            _list(Screen(), entries)
        for entry in entries:
            if entry.state in ("queued", "cancelled"):
                runner.run(entry.key)
        publish(ledger, options.target, pkgdir, host.config_root)
        ended = [ledger.find(entry.key) for entry in entries]
        if options.json:
            print(json.dumps({"target": options.target, "missing": [], "jobs": [told(one) for one in ended]}))
        else:
            _ended(Screen(), ended)
    return int(any(one.state != "published" for one in ended))


def _show(options: argparse.Namespace, ledger: Ledger, jobs: list[Job], missing: list[str], grade: Grade) -> int:
    """What would be done, and what must be installed in the environment first."""
    known = {entry.key: entry for entry in ledger.entries()}
    if options.json:
        shown = [
            {"cpv": job.cpv, "key": job.key(grade), "state": known[job.key(grade)].state if job.key(grade) in known else "new"}
            for job in jobs
        ]
        print(json.dumps({"target": options.target, "missing": missing, "jobs": shown}))
        return int(bool(missing))
    screen = Screen()
    rows = []
    for job in jobs:
        entry = known.get(job.key(grade))
        word, _ = _STATES[entry.state] if entry is not None else ("to build", "")
        rows.append((job.cpv, job.key(grade)[:12], word))
    screen.table(rows, ("bold",))
    if missing:
        screen.line()
        screen.text(
            f"blocked: the environment of target {options.target} lacks {' '.join(missing)}. Nothing was built: a package is "
            "built only where everything that it needs is installed as on the target. Install it there as it is on the target, "
            f"and run `portage-ext target capture {options.target}` again.",
            colour="red",
        )
    return int(bool(missing))


def _list(screen: Screen, entries: list[Entry]) -> None:
    for entry in entries:
        word, colour = _STATES[entry.state]
        screen.line(f"{screen.paint(word, colour)}  {entry.job.cpv}  {entry.key[:12]}")


def _ended(screen: Screen, entries: list[Entry]) -> None:
    for entry in entries:
        if entry.state == "published":
            screen.line(f"published {entry.job.cpv} as {os.path.basename(entry.place)}", "green")
        else:
            screen.text(
                f"{entry.job.cpv} is {entry.state}: {entry.reason or 'another run works on it'}", indent="  ", colour="red"
            )
            if entry.failure == "package":
                screen.text(
                    f"The same build would fail in the same way, so it is not tried again by itself; `portage-ext builds retry "
                    f"{entry.key[:12]}` tries it.",
                    first="  ",
                    indent="  ",
                )
