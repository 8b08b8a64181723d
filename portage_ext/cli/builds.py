"""portage-ext builds: the ledger of builds for other machines; look at it, and work its queue."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portage_ext.builds.key import DEFAULT, GRADES, explain
from portage_ext.builds.places import Places
from portage_ext.cli import objects, places
from portage_ext.cli.screen import Screen
from portage_ext.limits import builds as limits
from portage_ext.words import counted

if TYPE_CHECKING:
    from portage_ext.builds.cages.isolation import Begun
    from portage_ext.builds.ledger.entries import Entry
    from portage_ext.builds.ledger.ledger import Ledger
    from portage_ext.builds.workshop import Workshop
    from portage_ext.tasks.upkeep import Upkeep


def arguments(parser: argparse.ArgumentParser) -> None:
    places.config_root(parser)
    below = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    objects.option(below.add_parser("list", help="list all jobs"))
    for name, line in (
        ("show", "show one job, its ingredients and attempts"),
        ("log", "print the log of the last attempt at a job"),
        ("cancel", "cancel a job that is queued or running"),
        ("retry", "queue a job again that failed, or whose package was lost"),
    ):
        one = below.add_parser(name, help=line)
        one.add_argument("key", metavar="KEY", help="a key, or its beginning")
        if name == "show":
            objects.option(one)
        if name == "log":
            one.add_argument("--follow", action="store_true", help="go on until the attempt has ended")
    differ = below.add_parser("explain", help="name the ingredients in which two jobs differ")
    differ.add_argument("first", metavar="KEY")
    differ.add_argument("second", metavar="KEY")
    differ.add_argument("--grade", choices=GRADES, default=DEFAULT, help="how much of the dependencies counts")
    objects.option(differ)
    below.add_parser("run", help="work the queue, publish what was built, and end")
    below.add_parser("gc", help="remove old logs and distfiles, what dead runs left, and layers beyond their bound")
    drain = below.add_parser("drain", help="take no further jobs; what runs comes to its end")
    drain.add_argument("reason", metavar="REASON", nargs="?", default="drained by a person")
    below.add_parser("resume", help="take jobs again")
    perform = below.add_parser("perform", help="build one job as an engine orders it; no ledger and no key are needed")
    perform.add_argument("order", metavar="JOBFILE", type=Path)
    perform.add_argument("out", metavar="DIR", type=Path, help="an empty directory for packages/ and report.json")
    accept = below.add_parser("accept", help="judge what a builder brought for an attempt")
    accept.add_argument("key", metavar="KEY")
    accept.add_argument("fence", metavar="FENCE", type=int)
    accept.add_argument("directory", metavar="DIR", type=Path, help="what `builds perform` left, where no builder can reach it")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0; 1 when `run` left a job unpublished, `explain` found a difference, or `perform` or `accept` has no
    package."""
    screen = Screen()
    if options.action in ("perform", "run"):
        from portage_ext.builds.cages import isolation  # a question about the queue starts faster without it

        isolation.check()
    if options.action == "perform":
        return _perform(options)
    # A builder needs none of these, and each of its jobs is a process of its own.
    from portage_ext.builds import accepting, sweeping
    from portage_ext.builds.workshop import workshop
    from portage_ext.cli import live

    with workshop(places.site(options)) as shop:
        ledger = shop.ledger
        if options.action == "list":
            return _list(ledger, screen, as_json=options.json)
        if options.action == "run":
            return _run(shop, screen)
        if options.action == "gc":
            gone = sweeping.sweep(shop.means)
            screen.line(
                f"removed {counted(gone.layers, 'layer')}, {counted(gone.logs, 'log')}, {counted(gone.results, 'result')}, "
                f"{counted(gone.distfiles, 'distfile')}"
            )
            if gone.pinned:
                screen.text(f"kept the layers of {counted(len(gone.pinned), 'pinned target')}: {', '.join(gone.pinned)}")
            return 0
        if options.action in ("drain", "resume"):
            shop.engine.drain(options.reason if options.action == "drain" else "")
            screen.line(
                "jobs are taken again" if options.action == "resume" else "no further jobs are taken until `builds resume`"
            )
            return 0
        if options.action == "explain":
            return _explain(options, ledger, screen)
        entry = ledger.find(options.key)
        if options.action == "accept":
            entry = accepting.accept(shop.means, ledger.attempt(entry.key, options.fence), options.directory)
            screen.text(f"{entry.job.cpv} for {entry.target}: {entry.state}{entry.reason and f': {entry.reason}'}")
            return int(entry.state not in ("checked", "published"))
        if options.action == "show":
            return _show(entry, ledger, screen, as_json=options.json)
        if options.action == "log" and options.follow and entry.state == "running":
            live.log(shop.means, entry.key, screen)
            return 0
        if options.action == "log":
            return _log(entry, ledger, screen)
        entry = shop.engine.cancel(entry.key) if options.action == "cancel" else ledger.retry(entry.key)
        screen.line(f"{entry.job.cpv} for {entry.target} is {entry.state}")
    return 0


def tell(done: list[Upkeep]) -> None:
    """What signing, indexing and publishing said."""
    for one in done:
        if one.line:
            print(f"portage-ext: {one.line}", file=sys.stderr)


def told(entry: Entry) -> dict[str, Any]:
    """A job for --json."""
    return {
        "key": entry.key,
        "target": entry.target,
        "cpv": entry.job.cpv,
        "state": entry.state,
        "failure": entry.failure,
        "reason": entry.reason,
        "file": entry.place,
        "created": entry.created,
        "changed": entry.changed,
    }


def _perform(options: argparse.Namespace) -> int:
    from portage_ext.builds.cages import isolation

    # Its first process sets itself up while this process still imports its modules.
    with isolation.begun(str(options.order)) as first:
        return _performed(options, first)


def _performed(options: argparse.Namespace, first: Begun) -> int:
    from portage_ext.builds import issuing, means, orders
    from portage_ext.builds.cages import scratches
    from portage_ext.builds.performing import Performer
    from portage_ext.targets.store import Store

    site = places.site(options)
    with options.order.open("rb") as file:
        order = orders.parse(file.read(limits.JOB_SIZE + 1), str(options.order))
    performer = Performer(Places.below(site.eroot), Store(site.eroot), means.bounds(site.settings.building))
    scratches.clear(performer.places)
    said = performer.perform(order, options.order.parent / issuing.ADDITIONS, options.out, sys.stdout.buffer, first)
    if said.failure:
        print(f"portage-ext: {said.reason}", file=sys.stderr)
    return int(said.failure != "")


def _run(shop: Workshop, screen: Screen) -> int:
    for key in shop.engine.recover():
        entry = shop.ledger.get(key)
        screen.line(f"{entry.job.cpv}: the run that built it was killed; it is {entry.state}")
    ended: list[Entry] = []

    def tell_ended(entry: Entry) -> None:
        screen.text(f"{entry.job.cpv} for {entry.target}: {entry.state}{entry.reason and f': {entry.reason}'}", indent="  ")
        ended.append(entry)

    _, done = shop.work(None, tell_ended)
    for builder in shop.engine.builders():
        if builder.closed and shop.ledger.queue():
            screen.text(f"{builder.name} takes no jobs: {builder.closed}. `portage-ext builds resume` takes them again.")
    tell(done)
    return int(any(entry.state == "failed" for entry in ended) or not all(one.ok for one in done))


def _list(ledger: Ledger, screen: Screen, *, as_json: bool) -> int:
    from portage_ext.builds.ledger.standing import look

    entries = ledger.entries()
    waiting = [entry.key for entry in entries if entry.state in ("queued", "checked")]
    reasons = {one.entry.key: one.reason for one in look(ledger, waiting)}
    entries = [replace(entry, reason=reasons.get(entry.key, entry.reason)) for entry in entries]
    if as_json:
        objects.show({"jobs": [told(entry) for entry in entries]})
        return 0
    if not entries:
        screen.line("Nothing was built for another machine yet; `portage-ext build TARGET ATOM` begins.")
    rows = [(one.key[:12], one.target, one.job.cpv, f"{one.state}{one.reason and f': {one.reason}'}") for one in entries]
    screen.table(rows, ("bold",))
    if any(one.state == "checked" for one in entries):
        screen.line("Checked packages are built, but not published yet; `portage-ext builds run` publishes them.")
    return 0


def _show(entry: Entry, ledger: Ledger, screen: Screen, *, as_json: bool) -> int:
    from portage_ext.builds import confirming

    attempts, votes = ledger.attempts(entry.key), ledger.votes(entry.key)
    if as_json:
        ingredients = json.loads(entry.job.emit())
        tries = [{"fence": one.fence, "started": one.started, "ended": one.ended, "outcome": one.outcome} for one in attempts]
        built = [{"group": one.group, "builder": one.runner, "fence": one.fence} for one in votes]
        more = {"ingredients": ingredients, "attempts": tries, "groups": built, "reports": confirming.reports(votes)}
        objects.show(told(entry) | more)
        return 0
    screen.line(f"{entry.job.cpv} for {entry.target}: {entry.state}{entry.reason and f', {entry.reason}'}", "bold")
    screen.line(f"key {entry.key}")
    for kind, values in json.loads(entry.job.emit()).items():
        if isinstance(values, dict) and values:
            screen.line(kind, "bold")
            screen.table(
                [(name, value if isinstance(value, str) else value["cpv"]) for name, value in values.items()], indent="  "
            )
    screen.line("attempts", "bold")
    screen.table([(str(one.fence), _when(one.started), one.outcome or "runs") for one in attempts], indent="  ")
    if votes:
        screen.line("built by", "bold")
        differs = entry.failure == "differs"
        rows = [
            (confirming.named(one.group, one.runner), f"attempt {one.fence}", one.result if differs else "") for one in votes
        ]
        screen.table(rows, indent="  ")
    for path in confirming.reports(votes):
        screen.line(f"report {path}")
    return 0


def _when(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _log(entry: Entry, ledger: Ledger, screen: Screen) -> int:
    attempts = ledger.attempts(entry.key)
    if not attempts or not os.path.exists(attempts[-1].log):
        screen.line(f"{entry.job.cpv} was not built yet, or its log is gone")
        return 1
    with open(attempts[-1].log, encoding="utf-8", errors="replace") as log:
        for line in log:
            screen.line(line.rstrip("\n"))
    return 0


def _explain(options: argparse.Namespace, ledger: Ledger, screen: Screen) -> int:
    found = explain(ledger.find(options.first).job, ledger.find(options.second).job, options.grade)
    if options.json:
        told_apart = [{"kind": one.kind, "name": one.name, "first": one.first, "second": one.second} for one in found]
        objects.show({"grade": options.grade, "ingredients": told_apart})
    elif not found:
        screen.line(f"The same: nothing that counts by the grade {options.grade} differs.")
    for one in [] if options.json else found:
        screen.line(f"{one.kind} {one.name}", "bold")
        screen.text(one.first or "(nothing)", first="  ", indent="  ")
        screen.text(one.second or "(nothing)", first="  ", indent="  ")
    return int(bool(found))
