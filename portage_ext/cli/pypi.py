"""portage-ext pypi: what a repository made from a Python index holds, why, and what waits for a person's consent."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from portage_ext.cli import objects
from portage_ext.cli.screen import Screen
from portage_ext.errors import UsageError
from portage_ext.errors.pypi import InvalidNameError
from portage_ext.errors.repositories import RepositoryError
from portage_ext.host import here
from portage_ext.repositories import record, tree
from portage_ext.repositories.pypi import places
from portage_ext.repositories.pypi.contents import MADE_BY
from portage_ext.repositories.pypi.names import normalised
from portage_ext.repositories.record import Item, Kind, Record
from portage_ext.repositories.tree import Section

_SHOWN = 20


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repository", metavar="NAME", help="which one (default: the only one with sync-type = pypi)")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser("list", help="list its packages, and what is refused or waits")
    confirm = actions.add_parser("confirm", help="let projects in that another one needs; the next sync makes them")
    confirm.add_argument("name", nargs="*", metavar="NAME", help="the projects; without one, those that wait are shown")
    confirm.add_argument("--all", action="store_true", help="all that wait; look at them first")
    why = actions.add_parser("why", help="show why a project is there, or why it is not")
    why.add_argument("name", metavar="NAME")
    for one in (show, why):
        objects.option(one)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 when `why` finds nothing."""
    repository = _repository(options.repository)
    said = record.load(repository.location)
    if said is None or said.made_by != MADE_BY:
        raise RepositoryError(
            str(repository.location), "no sync has made this repository yet", f"Run: emaint sync -r {repository.name}"
        )
    screen = Screen()
    match options.action:
        case "list":
            _list(screen, repository, said, options.json)
            return 0
        case "confirm":
            _confirm(screen, repository, said, options)
            return 0
        case _:
            return _why(screen, repository, said, options)


def _repository(name: str | None) -> Section:
    found = [one for one in tree.sections() if one.sync_type == MADE_BY and name in (None, one.name)]
    if not found:
        raise UsageError(
            f"no repository {name} of repos.conf has sync-type = pypi"
            if name
            else "no repository of repos.conf has sync-type = pypi"
        )
    if len(found) > 1:
        raise UsageError(
            f"several repositories have sync-type = pypi ({', '.join(one.name for one in found)}): name one, --repository"
        )
    return found[0]


def _list(screen: Screen, repository: Section, said: Record, as_json: bool) -> None:
    if as_json:
        values = {"repository": repository.name, "location": str(repository.location), "source": said.source}
        items = [_values(said, one) for one in said.items]
        objects.show({**values, "items": items, "remarks": [dataclasses.asdict(one) for one in said.remarks]})
        return
    rows = [(one.name, said.facts.get(one.name, ""), "listed" if one.listed else _needed(one)) for one in said.items]
    screen.table(rows)
    for one in said.remarks:
        screen.text(f"{one.name}: {one.why}", first=f"{one.kind.value}: ", indent="  ", colour=_colour(one.kind))


def _values(said: Record, item: Item) -> dict[str, object]:
    return {**dataclasses.asdict(item), "version": said.facts.get(item.name)}


def _needed(item: Item) -> str:
    more = f" and {len(item.needed_by) - _SHOWN} more" if len(item.needed_by) > _SHOWN else ""
    return f"needed by {', '.join(item.needed_by[:_SHOWN])}{more}"


def _colour(kind: Kind) -> str:
    return {Kind.REFUSED: "red", Kind.HELD: "yellow", Kind.KEPT: "yellow"}.get(kind, "")


def _confirm(screen: Screen, repository: Section, said: Record, options: argparse.Namespace) -> None:
    held = {one.name: one.why for one in said.remarks if one.kind is Kind.HELD}
    if not options.name and not options.all:
        for name, why in held.items():
            screen.text(f"{name}: {why}", indent="  ")
        screen.line("" if held else "nothing waits")
        return
    try:
        names = sorted(held) if options.all else [normalised(one) for one in options.name]
    except InvalidNameError as error:
        raise UsageError(str(error)) from error
    if unknown := [one for one in names if one not in held]:
        raise UsageError(f"{', '.join(unknown)}: nothing of this name waits; `portage-ext pypi confirm` shows what does")
    directory = Path(repository.options.get(places.OPTION) or here.here().config_root / places.DIRECTORY)
    places.confirm(directory, dict.fromkeys(names, f"for {said.source}"))
    screen.text(f"confirmed {', '.join(names)}; the next sync makes their ebuilds: emaint sync -r {repository.name}")


def _why(screen: Screen, repository: Section, said: Record, options: argparse.Namespace) -> int:
    name = options.name
    found = said.item(name) or next((one for one in said.items if one.name.partition("/")[2] == name), None)
    remarks = [one for one in said.remarks if one.name == name]
    if options.json:
        item = None if found is None else {**_values(said, found), "chain": _chain(said, found)}
        objects.show({"repository": repository.name, "item": item, "remarks": [dataclasses.asdict(one) for one in remarks]})
        return 0 if found or remarks else 1
    for one in remarks:
        screen.text(f"{one.name}: {one.why}", first=f"{one.kind.value}: ", indent="  ")
    if found is None:
        if not remarks:
            screen.text(f"{name} is not in this repository, and nothing in it needs that")
        return 0 if remarks else 1
    way = _chain(said, found)
    if not way:
        screen.line(f"{found.name}: nothing listed needs it")
        return 0
    screen.line(f"{found.name} {said.facts.get(found.name, '')}".rstrip())
    for step in way[1:]:
        screen.line(f"  needed by {step}")
    screen.line("  listed" if len(way) == 1 else f"  {way[-1]} is listed")
    return 0


def _chain(said: Record, item: Item) -> list[str]:
    """Who needs it, up to what a person listed: the shortest way, from ``item`` on. Empty if nothing listed needs it."""
    by_name = {one.name: one for one in said.items}
    ways = [[item.name]]
    seen = {item.name}
    while ways:
        way = ways.pop(0)
        last = by_name.get(way[-1])
        if last is not None and last.listed:
            return way
        for needed in last.needed_by if last is not None else ():
            if needed not in seen:
                seen.add(needed)
                ways.append([*way, needed])
    return []
