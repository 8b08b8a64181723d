"""portage-ext pick, and olm: which packages are picked out of overlays, why each is there, and what a sync would change."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import sys
from collections.abc import Iterable

from portage_ext import shown
from portage_ext.cli import objects
from portage_ext.errors import UsageError
from portage_ext.errors.repositories import NotPickedError, RepositoryError
from portage_ext.repositories import confined, record, tree
from portage_ext.repositories.pick import telling, wanted
from portage_ext.repositories.pick.assembly import Plan
from portage_ext.repositories.pick.changes import Changes, changes
from portage_ext.repositories.pick.making import Picking
from portage_ext.repositories.pick.wanted import Wanted
from portage_ext.repositories.record import Record


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="list packages, and take them with what they need")
    remove = actions.add_parser("remove", help="take packages off the list, and out with what only they needed")
    show = actions.add_parser("list", help="show what is picked from each overlay, and what was refused or is missing")
    why = actions.add_parser("why", help="show who needs a package")
    diff = actions.add_parser("diff", help="show what a sync would change")
    for one in (add, remove):
        one.add_argument("packages", nargs="+", metavar="CATEGORY/NAME::OVERLAY", help="a package of an overlay")
        one.add_argument("--yes", action="store_true", help="do not ask")
    why.add_argument("package", metavar="CATEGORY/NAME", help="a picked package, also eclass/NAME; ::OVERLAY may follow")
    diff.add_argument("--offline", action="store_true", help="compare with the overlay as it was fetched last")
    for one in (show, diff):
        one.add_argument("overlays", nargs="*", metavar="OVERLAY", help="(default: all of sync-type pick)")
    for one in (show, why, diff):
        objects.option(one)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 when nothing was changed or found."""
    match options.action:
        case "add" | "remove":
            return _change(options)
        case "list":
            return _list(options)
        case "why":
            return _why(options)
        case _:
            return _diff(options)


def olm() -> int:
    """The command under the name that its user proposed."""
    from portage_ext.cli.main import main

    return main(["pick", *sys.argv[1:]])


def _pickings(names: Iterable[str] = ()) -> list[Picking]:
    """Those of ``names``, or all. Raises NotPickedError, RepositoryError."""
    found = {}
    for one in tree.opened("pick"):
        user = tree.sync_user(one)
        found[one.name] = Picking(one, user, {**os.environ, "HOME": user.home} if user.is_other else dict(os.environ))
    for name in names:
        if name not in found:
            raise NotPickedError(name)
    return [found[name] for name in dict.fromkeys(names)] or list(found.values())


def _fetch(picking: Picking, *, when_missing: bool = False) -> None:
    """Raises RepositoryError."""
    if when_missing and picking.fetched() is not None:
        return
    # Portage's modules print what they do; the answer of this command is all that goes to stdout.
    with contextlib.redirect_stdout(sys.stderr):
        status = picking.fetch(tree.sync_options(picking.tree, picking.user))
    if status:
        raise RepositoryError(f"[{picking.tree.name}]", f"the overlay was not fetched (status {status})", "See the lines above")


def _plan(picking: Picking, listed: Iterable[str]) -> Plan:
    if (why := confined.lacking()) is not None:
        print(f"portage-ext pick: ebuilds are read without being kept from this system ({why})", file=sys.stderr)
    return picking.plan(listed)


def _say(line: str) -> None:
    print(shown.line(line))


# --- add and remove


def _change(options: argparse.Namespace) -> int:
    asked: dict[str, set[str]] = {}
    for text in options.packages:
        found = wanted.wanted(text)
        if found is None:
            raise UsageError(f"{text!r} is not of the form category/name::overlay")
        asked.setdefault(found.overlay, set()).add(found.cp)
    return max(_change_one(one, asked[one.tree.name], options) for one in _pickings(asked))


def _change_one(picking: Picking, asked: set[str], options: argparse.Namespace) -> int:
    name, adds = picking.tree.name, options.action == "add"
    with picking.locked():
        before = picking.listed()
        changed = asked - before if adds else asked & before
        for cp in sorted(asked - changed):
            _say(f"{cp}::{name} is {'on the list already' if adds else 'not on the list'}")
        if not changed:
            return 0 if adds else 1
        _fetch(picking, when_missing=True)
        plan = _plan(picking, before | changed if adds else before - changed)
        taken = {one.name for one in plan.record.items} | {one.name for one in plan.record.remarks if one.kind == "moved"}
        _tell(plan, changes(plan), name)
        if adds and (lost := changed - taken):
            _say(f"nothing was changed: {', '.join(sorted(lost))} cannot be taken")
            return 1
        if not _agreed(f"Change {picking.list_path} and {picking.tree.location}?", options.yes):
            _say("nothing was changed")
            return 1
        lines = {Wanted(cp, name) for cp in changed}
        files = [wanted.add(picking.list_path, lines)] if adds else wanted.remove(picking.list_path, lines)
        picking.take(plan)
    _say(f"{', '.join(map(str, files))} and {picking.tree.location} are changed; {telling.count(plan.record)}")
    return 0


def _tell(plan: Plan, found: Changes, name: str) -> None:
    for one in found.packages:
        item = plan.record.item(one.cp)
        why = "listed" if item is not None and item.listed else f"needed by {', '.join(item.needed_by)}" if item else ""
        _say(f"{one}{f' ({why})' if why else ''}")
    for path in found.others:
        sign = "+" if path not in plan.before else "-" if path not in plan.contents else "~"
        _say(f"{sign} {path}")
    for line in telling.remarks(plan.record.remarks):
        _say(line)
    if not found.packages and not found.others:
        _say(f"{name}: nothing would change")


def _agreed(question: str, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("not a terminal; pass --yes to skip the confirmation")
    return input(f"{shown.line(question)} [y/N] ").strip().lower() in ("y", "yes")


# --- list, why and diff


def _list(options: argparse.Namespace) -> int:
    pickings = _pickings(options.overlays)
    if options.json:
        objects.show({"repositories": [_values(one) for one in pickings]})
        return 0
    if not pickings:
        _say("repos.conf has no repository with sync-type = pick")
    for picking in pickings:
        made, listed = record.load(picking.tree.location) or Record("pick", ""), picking.listed()
        fetched = picking.fetched()
        _say(f"{picking.tree.name}: {telling.count(made) if fetched else 'never synced'} (list: {picking.list_path})")
        for item in made.items:
            _say(f"  {item.name}{'' if item.listed else ' for ' + ', '.join(item.needed_by)}")
        for cp in sorted(listed - {one.name for one in made.items} - {one.name for one in made.remarks}):
            _say(f"  {cp} is listed, and comes with the next sync")
        for line in telling.remarks(made.remarks):
            _say(f"  {line}")
    return 0


def _values(picking: Picking) -> dict[str, object]:
    made, fetched = record.load(picking.tree.location) or Record("pick", ""), picking.fetched()
    return {
        "name": picking.tree.name,
        "location": str(picking.tree.location),
        "list": str(picking.list_path),
        "listed": sorted(picking.listed()),
        "fetched": fetched.time if fetched else None,
        "revision": fetched.revision if fetched else None,
        "items": [dataclasses.asdict(one) for one in made.items],
        "remarks": [dataclasses.asdict(one) for one in made.remarks],
    }


def _why(options: argparse.Namespace) -> int:
    cp, _, overlay = options.package.partition("::")
    found = []
    for picking in _pickings([overlay] if overlay else ()):
        made = record.load(picking.tree.location)
        if made is not None and (item := made.item(cp)) is not None:
            ways = [list(way) for way in telling.chains(made, cp)]
            values = {"repository": picking.tree.name, "name": cp, "listed": item.listed, "chains": ways}
            found.append({**values, "needed_by": list(item.needed_by)})
    if options.json:
        objects.show({"found": found})
    for one in found if not options.json else ():
        _say(f"{cp}::{one['repository']}{' is on the list' if one['listed'] else ''}")
        for way in one["chains"]:
            if len(way) > 1:
                _say(f"  {' needs '.join(way)}")
    if not found:
        print(f"portage-ext pick: {shown.line(options.package)} is not picked from any overlay", file=sys.stderr)
    return 0 if found else 1


def _diff(options: argparse.Namespace) -> int:
    found = []
    for picking in _pickings(options.overlays):
        with picking.locked():
            _fetch(picking, when_missing=options.offline)
            plan = _plan(picking, picking.listed())
        differences = changes(plan)
        if options.json:
            remarks = [dataclasses.asdict(one) for one in plan.record.remarks]
            found.append({"name": picking.tree.name, **dataclasses.asdict(differences), "remarks": remarks})
        else:
            _tell(plan, differences, picking.tree.name)
    if options.json:
        objects.show({"repositories": found})
    return 0
