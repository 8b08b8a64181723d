"""portage-ext build: packages for another machine, built here in that machine's environment."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Final

from portage_ext.builds.ledger import Entry
from portage_ext.builds.workshop import Plan, workshop
from portage_ext.cli import objects, places
from portage_ext.cli.builds import tell, told
from portage_ext.cli.screen import Screen

_STATES: Final = {
    "published": ("exists", "green"),
    "checked": ("built, to be published", "green"),
    "queued": ("to build", "blue"),
    "running": ("is being built by another run", "blue"),
    "failed": ("failed before", "red"),
    "cancelled": ("to build", "blue"),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    places.config_root(parser)
    parser.add_argument("target", metavar="TARGET", help="a target of `portage-ext target list`")
    parser.add_argument("atoms", metavar="ATOM", nargs="+", help="packages, with their category")
    parser.add_argument("--pretend", "-p", action="store_true", help="show the list, and build nothing")
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 everything is published (or, with --pretend, could be built), 1 something is not."""
    screen = Screen(sys.stderr if options.json else None)
    with workshop(places.site(options)) as shop:
        shop.engine.recover()
        plan = shop.plan(options.target, tuple(options.atoms))
        if plan.missing or options.pretend:
            return _planned(plan, options, screen)
        entries = shop.request(options.target, plan)
        for entry in entries:
            word, colour = _STATES[entry.state]
            screen.line(f"{screen.paint(word, colour)}  {entry.job.cpv}  {entry.key[:12]}")
        ended, done = shop.work(entries)
        tell(done)
    if options.json:
        objects.show({"target": options.target, "missing": [], "jobs": [told(one) for one in ended]})
    else:
        _ended(screen, ended)
    return int(any(one.state != "published" for one in ended))


def _planned(plan: Plan, options: argparse.Namespace, screen: Screen) -> int:
    """What would be done, and what must be installed in the environment first."""
    if options.json:
        jobs = [{"cpv": job.cpv, "key": key, "state": "new" if entry is None else entry.state} for job, key, entry in plan.jobs]
        objects.show({"target": options.target, "missing": list(plan.missing), "jobs": jobs})
        return int(bool(plan.missing))
    screen.table(
        [(job.cpv, key[:12], "to build" if entry is None else _STATES[entry.state][0]) for job, key, entry in plan.jobs],
        ("bold",),
    )
    if plan.missing:
        screen.text(
            f"blocked: the environment of target {options.target} lacks {' '.join(plan.missing)}. Nothing was built: a package "
            "is built only where everything that it needs is installed as on the target. Install it there as it is on the "
            f"target, and run `portage-ext target capture {options.target}` again.",
            colour="red",
        )
    return int(bool(plan.missing))


def _ended(screen: Screen, entries: list[Entry]) -> None:
    for entry in entries:
        if entry.state == "published":
            screen.line(f"published {entry.job.cpv} as {os.path.basename(entry.place)}", "green")
            continue
        why = entry.reason or ("no jobs are taken now" if entry.state == "queued" else "another run works on it")
        screen.text(f"{entry.job.cpv} is {entry.state}: {why}", indent="  ", colour="red")
        if entry.failure == "package":
            screen.text(
                "The same build would fail in the same way, so it is not tried again by itself; "
                f"`portage-ext builds retry {entry.key[:12]}` tries it.",
                first="  ",
                indent="  ",
            )
