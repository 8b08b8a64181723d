"""portage-ext request: ask the build service of [ask] for what emerge would compile; look at requests, wait, withdraw them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from portage_ext import words
from portage_ext.asking import protocol, telling
from portage_ext.asking.following import follow
from portage_ext.asking.protocol import Standing, Wanted
from portage_ext.asking.service import Service
from portage_ext.cli import objects, places
from portage_ext.cli.screen import Screen
from portage_ext.config.asking import Asking
from portage_ext.errors import UsageError
from portage_ext.tasks.planned import missed

_UPDATE: Final = ("--update", "--deep", "--newuse")


def arguments(parser: argparse.ArgumentParser) -> None:
    places.config_root(parser)
    parser.add_argument(
        "what", nargs="*", metavar="ATOM|@SET", help="what emerge would be asked for; options of emerge follow after --"
    )
    parser.add_argument("--wait", action="store_true", help="wait until everything is built, or the deadline of [ask] is over")
    parser.add_argument("--dry-run", action="store_true", help="print what would leave this host, and send nothing")
    parser.add_argument("--cancel", action="store_true", help="withdraw the requests for these packages (category/name)")
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0; 1 when something was refused or failed, or with --wait is not built by the deadline. Without
    a name, ``--wait`` counts only what had not ended when it began."""
    asking = places.site(options).settings.asking
    if asking is None:
        raise UsageError("portage-ext.toml has no [ask] with where and target, which say whom to ask")
    screen = Screen(sys.stderr if options.json else None)
    names = [word for word in options.what if not word.startswith("-")]
    if options.what and not names:
        raise UsageError("no atom and no set was named")
    if options.cancel or not names:
        return _standing(options, asking, names, screen)
    asked = [*_UPDATE, *options.what] if any(name.startswith("@") for name in names) else options.what
    wanted = missed(asked)
    if options.dry_run:
        for one in wanted:
            objects.show(protocol.plain(one))
        return 0
    found = _requested(asking, wanted, options, screen) if wanted else []
    if not wanted:
        screen.line("emerge would compile nothing that can be built elsewhere; nothing was asked for")
    return _ended(options, asking, found, screen)


def _requested(asking: Asking, wanted: Sequence[Wanted], options: argparse.Namespace, screen: Screen) -> list[Standing]:
    found: list[Standing] = []
    with Service(asking) as service:
        for begin in range(0, len(wanted), protocol.BATCH):
            hurry = protocol.HURRIES[2 if options.wait else 0]
            found += service.request(wanted[begin : begin + protocol.BATCH], hurry)
    screen.text(f"asked {asking.where} for {words.counted(len(wanted))}: {telling.summary(found)}", indent="  ")
    return _followed(asking, found, screen) if options.wait and not all(one.has_ended for one in found) else found


def _followed(asking: Asking, found: list[Standing], screen: Screen) -> list[Standing]:
    """Wait for all of ``found``."""
    before: list[Standing] = []

    def told(now: Sequence[Standing]) -> None:
        for text in telling.changes(before, now):
            screen.text(text, first="  ", indent="    ")
        before[:] = now

    return follow(asking, found, told, deadline=asking.deadline)


def _standing(options: argparse.Namespace, asking: Asking, names: Sequence[str], screen: Screen) -> int:
    """Show what this host has asked for, wait for all of it, or withdraw some."""
    if options.cancel and not names:
        raise UsageError("name the packages whose requests are withdrawn")
    with Service(asking) as service:
        found = service.state()
        if options.cancel:
            chosen = [one.cpv for one in found if any(one.cpv == name or one.cpv.startswith(f"{name}-") for name in names)]
            if not chosen:
                raise UsageError(f"this host has asked for none of {' '.join(names)}")
            found = service.cancel(chosen)
    if options.wait and found:
        return _waited(options, asking, found, screen)
    if not options.json:
        screen.table([(one.cpv, one.state, telling.about(one)) for one in found], ("bold",))
    if not found:
        screen.line(f"this host has asked {asking.where} for nothing yet")
    if options.json:
        _show(asking, found)
    return 0


def _waited(options: argparse.Namespace, asking: Asking, found: Sequence[Standing], screen: Screen) -> int:
    """Wait for what has not ended yet. What had ended before is named, and does not change the exit status."""
    going = {one.cpv for one in found if not one.has_ended}
    every = _followed(asking, list(found), screen)
    if before := [one.cpv for one in every if one.cpv not in going and one.state != "published"]:
        screen.text(f"Not waited for, because it ended before: {' '.join(before)}. `--cancel` takes it off the list.")
    if options.json:
        _show(asking, every)
    return _ended(options, asking, [one for one in every if one.cpv in going], screen, shown=True)


def _ended(
    options: argparse.Namespace, asking: Asking, found: Sequence[Standing], screen: Screen, *, shown: bool = False
) -> int:
    if options.json and not shown:
        _show(asking, found)
    late = [one.cpv for one in found if not one.has_ended]
    if options.wait and late:
        screen.text(f"not built within {words.spell(asking.deadline)}: {' '.join(late)}. The request stands.", colour="red")
    return int(bool(telling.in_vain(found)) or (options.wait and bool(late)))


def _show(asking: Asking, found: Sequence[Standing]) -> None:
    objects.show({"where": asking.where, "target": asking.target, "packages": [protocol.plain(one) for one in found]})
