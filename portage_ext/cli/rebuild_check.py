"""portage-ext rebuild-check: build published packages again in their recorded environment, and compare the results."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from portage_ext.builds.again import checking, results
from portage_ext.builds.again.checking import Checked
from portage_ext.builds.again.results import Share
from portage_ext.builds.means import means
from portage_ext.cli import objects, places
from portage_ext.cli.screen import Screen
from portage_ext.errors import UsageError
from portage_ext.words import counted, spell

_SHOWN = 10
"""Differences of a package that are shown; its report has more."""
_COLOUR = {"reproducible": "green", "different": "red", "failed": "yellow"}


def arguments(parser: argparse.ArgumentParser) -> None:
    places.config_root(parser)
    parser.add_argument("atoms", metavar="ATOM", nargs="*", help="packages that `portage-ext build` has published")
    parser.add_argument("--target", metavar="NAME", help="only those of this target (default: of every target)")
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 all are reproducible, 1 one is not, 3 one could not be built again (2 is usage)."""
    if not options.atoms and not options.target:
        raise UsageError("name packages to build again, or a --target to see which share of it is reproducible")
    screen = Screen(sys.stderr if options.json else None)
    with means(places.site(options)) as its:
        entries = checking.chosen(its, options.atoms, options.target)
        checked = []
        for entry in entries:
            screen.line(f"building {entry.job.cpv} for {entry.target} again")
            checked.append(checking.check(its, entry))
            if not options.json:
                _print(screen, checked[-1])
        targets = sorted({one.target for one in entries} | ({options.target} if options.target else set()))
        shares = {name: share for name in targets if (share := results.share(its.site, its.places, name)) is not None}
    if options.json:
        objects.show(
            {
                "packages": [_told(one) for one in checked],
                "shares": [{"target": name, **asdict(one)} for name, one in shares.items()],
            }
        )
    else:
        for name, one in shares.items():
            screen.line(f"{name}: {_figure(one)}")
    outcomes = {one.outcome for one in checked}
    return 1 if "different" in outcomes else 3 if "failed" in outcomes else 0


def _told(one: Checked) -> dict[str, object]:
    found = [asdict(each) for each in one.differences]
    values = {"cpv": one.cpv, "target": one.target, "key": one.key, "outcome": one.outcome, "reason": one.reason}
    return {**values, "differences": found, "reports": list(one.reports), "seconds": one.seconds}


def _print(screen: Screen, one: Checked) -> None:
    took = f"after {spell(one.seconds)}"
    if one.outcome == "failed":
        screen.text(f"{one.cpv} could not be built again, {took}: {one.reason}", indent="  ", colour=_COLOUR[one.outcome])
    elif one.outcome == "reproducible":
        screen.line(f"{one.cpv} is reproducible: the same files, metadata and contract, {took}", _COLOUR[one.outcome])
    else:
        count = counted(len(one.differences), "difference")
        screen.line(f"{one.cpv} is not reproducible: {count}, {took}", _COLOUR[one.outcome])
        for each in one.differences[:_SHOWN]:
            screen.text(str(each), first="  ", indent="    ")
        if len(one.differences) > _SHOWN:
            screen.line(f"  and {len(one.differences) - _SHOWN} more")
    for path in one.reports:
        screen.line(f"  see {path}")


def _figure(one: Share) -> str:
    if not one.checked:
        return f"none of {counted(one.packages)} in {one.where} was built again yet"
    part = f"{100 * one.reproducible // one.checked} %"
    rest = one.packages - one.checked
    return f"{part} ({one.reproducible} of {one.checked} that were built again) of {one.where} are reproducible" + (
        f"; {rest} of {counted(one.packages)} were not built again" if rest else ""
    )
