"""portage-ext build: packages for another machine, built here in that machine's environment."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from typing import Final

from portage_ext.builds.cages import isolation
from portage_ext.builds.ledger.entries import FINAL, Entry
from portage_ext.builds.ledger.ledger import PERSON
from portage_ext.builds.workshop import Plan, Wanted, workshop
from portage_ext.cli import live, objects, places
from portage_ext.cli.builds import tell, told
from portage_ext.cli.screen import Screen
from portage_ext.errors import UsageError
from portage_ext.tasks.site import Site
from portage_ext.words import counted, spell

_STATES: Final = {
    "new": ("to build", "blue"),
    "published": ("exists", "green"),
    "checked": ("built, to be published", "green"),
    "queued": ("to build", "blue"),
    "running": ("is being built by another run", "blue"),
    "failed": ("failed before", "red"),
    "cancelled": ("to build", "blue"),
}
"""Failures that a request does not try again."""


def arguments(parser: argparse.ArgumentParser) -> None:
    places.config_root(parser)
    parser.add_argument("target", metavar="TARGET", help="a target of `portage-ext target list`")
    parser.add_argument("atoms", metavar="ATOM", nargs="+", help="packages, with their category, or sets such as @world")
    parser.add_argument("--pretend", "-p", action="store_true", help="show the list, and build nothing")
    parser.add_argument("--jobs", type=int, metavar="N", help="builds at once (default: jobs of [build])")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--wait", action="store_true", help="show what the builds say while they run")
    how.add_argument("--background", action="store_true", help="queue the jobs, have them built, and do not wait")
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 everything is published (or, with --pretend and --background, asked for), 1 something is not."""
    screen = Screen(sys.stderr if options.json else None)
    site = with_jobs(places.site(options), options.jobs)
    isolation.check()
    with workshop(site) as shop:
        shop.engine.recover()
        plan = shop.plan(options.target, tuple(options.atoms))
        show(plan, screen)
        if options.pretend:
            if options.json:
                objects.show({"target": options.target, "jobs": [_told(one) for one in plan.jobs]})
            return 0
        entries = shop.request(options.target, plan, priority=PERSON)
        if options.background:
            shop.engine.submit([entry.key for entry in entries if entry.state == "queued"])
            ended = entries
            screen.line("The jobs are queued; `portage-ext builds list` shows what becomes of them.")
        else:
            with live.followed(shop.means, [entry.key for entry in entries], screen, logs=options.wait):
                ended, done = shop.work(entries)
            tell(done)
    if options.json:
        objects.show({"target": options.target, "jobs": [told(one) for one in ended]})
    elif not options.background:
        _ended(screen, ended)
    return int(not options.background and any(one.state != "published" for one in ended))


def with_jobs(site: Site, jobs: int | None) -> Site:
    """``site`` with so many builds at once. Raises UsageError."""
    if jobs is None:
        return site
    if not 0 < jobs <= 256:
        raise UsageError("--jobs takes a number from 1 to 256")
    return replace(site, settings=replace(site.settings, building=replace(site.settings.building, jobs=jobs)))


def show(plan: Plan, screen: Screen) -> None:
    """The list of what exists and what will be built, in order, with the time that it took before; and how long in all."""
    if not plan.jobs:
        screen.line("Nothing is to be built.")
        return
    rows = []
    for one in plan.jobs:
        word, _ = _STATES[_state(one)]
        time = f"about {spell(one.seconds)}" if one.seconds is not None and _is_to_build(one) else ""
        rows.append((one.job.cpv, word, one.key[:12], time))
    screen.table(rows, ("bold",))
    build = [one for one in plan.jobs if _is_to_build(one)]
    known = [one.seconds for one in build if one.seconds is not None]
    if build:
        unknown = len(build) - len(known)
        never = f"; no build of {unknown} of them has succeeded here yet" if unknown and known else ""
        none = f"; no build of {'it' if len(build) == 1 else 'them'} has succeeded here yet"
        about = f", about {spell(sum(known))} by past builds{never}" if known else none
        screen.line(f"{counted(len(build))} to build{about}")


def _state(one: Wanted) -> str:
    if one.entry is None or (one.entry.state == "published" and not one.exists):
        return "new"
    return one.entry.state if one.entry.state != "failed" or one.entry.failure in FINAL else "queued"


def _is_to_build(one: Wanted) -> bool:
    return _STATES[_state(one)][0] == "to build"


def _told(one: Wanted) -> dict[str, object]:
    return {
        "cpv": one.job.cpv,
        "key": one.key,
        "state": "new" if one.entry is None else one.entry.state,
        "needs": list(one.needs),
        "seconds": one.seconds,
    }


def _ended(screen: Screen, entries: list[Entry]) -> None:
    for entry in entries:
        if entry.state == "published":
            screen.line(f"published {entry.job.cpv} as {os.path.basename(entry.place)}", "green")
            continue
        if entry.state == "checked":
            screen.text(f"{entry.job.cpv} is built, but not published yet; `portage-ext builds run` publishes it", colour="red")
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
