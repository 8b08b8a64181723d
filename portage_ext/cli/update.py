"""portage-ext update: the daily update of a binhost or a client, resumable, with a report."""

from __future__ import annotations

import argparse
import sys

from portage_ext import shown
from portage_ext.cli import objects, places
from portage_ext.config.updating import BINHOST, CLIENT
from portage_ext.errors import RequestError
from portage_ext.updates import update
from portage_ext.updates.report import Report
from portage_ext.updates.update import Preview


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--role", choices=(BINHOST, CLIENT), help="default: role of [update], else what this host is")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--plan", action="store_true", help="only show the steps, and what emerge would do now")
    what.add_argument("--last", action="store_true", help="only show the report of the last run")
    what.add_argument("--restart", action="store_true", help="begin with the first step, also after a run that was stopped")
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 everything is done, 1 something failed or the run stopped."""
    site = places.here()
    if options.plan:
        _planned(update.preview(site, options.role), as_json=options.json)
        return 0
    if options.last:
        found = update.last(site)
        if found is None:
            raise RequestError("there was no update yet. `portage-ext update` makes one; `portage-ext update --plan` shows it")
        return _told(found, as_json=options.json)
    return _told(update.update(site, options.role, restart=options.restart, tell=_tell), as_json=options.json)


def _tell(line: str) -> None:
    """Each step, as it ends, on stderr."""
    print(f"portage-ext update: {shown.line(line)}", file=sys.stderr, flush=True)


def _told(report: Report, *, as_json: bool) -> int:
    if as_json:
        objects.show(report.values())
    else:
        for line in report.text():
            print(shown.line(line))
    return 0 if report.ok else 1


def _planned(found: Preview, *, as_json: bool) -> None:
    packages = found.plan.packages
    if as_json:
        steps = [{"name": step.name, "title": step.title, "done": done} for step, done in found.steps]
        held = [{"what": one.what, "why": one.why} for one in found.plan.held]
        objects.show({"role": found.role, "steps": steps, "packages": list(packages), "held": held})
        return
    print(f"an update of this {found.role}:")
    for step, done in found.steps:
        print(shown.line(f"  {step.name:<18} {step.title}{' (done by the run before)' if done else ''}"))
    print(shown.line(f"with the repositories as they are now: {found.plan.line}"))
    for one in packages:
        print(shown.line(f"  {one}"))
    for left in found.plan.held:
        print(shown.line(f"  held back: {left.what}: {left.why}"))
