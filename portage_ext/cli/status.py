"""portage-ext status: releases published here and followed, keys pinned, and what the last runs did. No network."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any, Final

from portage_ext import shown, words
from portage_ext.cli import objects
from portage_ext.cli.screen import Screen
from portage_ext.releases.note import UNTIL
from portage_ext.tasks import status
from portage_ext.tasks.status import Channel, Followed

_RUN: Final = ("when", "what", "ok", "line", "release", "seconds")


def arguments(parser: argparse.ArgumentParser) -> None:
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0. Whether all is well is for `portage-ext check`; nothing is asked of the network here."""
    found = status.status()
    told = {
        "channels": [_channel(one) for one in found.channels],
        "followed": [_followed(one) for one in found.followed],
        "runs": [{name: getattr(one, name) for name in _RUN} for one in found.runs],
    }
    if options.json:
        objects.show(told)
    else:
        _print(told, int(time.time()))
    if found.trouble:
        print(f"portage-ext status: {found.trouble}", file=sys.stderr)
    return 0


def _channel(one: Channel) -> dict[str, Any]:
    values = {"tree": str(one.tree), "channel": one.name, "release": one.number, "created": one.release.created}
    values |= {"expires": one.release.expires, "packages": one.packages, "origin": one.note.origin}
    waiting = None if one.note.waiting is None else one.note.waiting.text(time.time())
    return {**values, "held": None if one.note.hold is None else str(one.note.hold), "waiting": waiting}


def _followed(one: Followed) -> dict[str, Any]:
    seen, root = one.seen, one.root
    values: dict[str, Any] = {"binrepo": one.name, "uri": shown.line(one.uri), "pinned": list(one.pinned)}
    values |= {"trusted": list(one.trusted), "release": seen.version if seen else None}
    values |= {"root": root.version if root else None, "root_expires": root.expires if root else None}
    values |= {"channel": seen.channel if seen else "", "created": seen.created if seen else None}
    return {**values, "expires": one.expires or None}


def _print(told: dict[str, list[dict[str, Any]]], now: int) -> None:
    screen = Screen()
    screen.line("published here", "bold")
    rows: list[tuple[str, ...]] = [
        (
            one["channel"],
            f"release {one['release']}",
            words.counted(one["packages"]),
            _until(one["expires"], now),
            f"{_held(one)}{shown.line(one['origin'])}, in {one['tree']}",
        )
        for one in told["channels"]
    ]
    screen.table(rows or [("nothing",)], ("blue",), indent="  ")
    screen.line("followed", "bold")
    screen.table([_row(one, now) for one in told["followed"]] or [("no binrepo",)], ("blue",), indent="  ")
    screen.line("last runs", "bold")
    runs_told = [
        (
            _ago(now, one["when"]),
            "ok" if one["ok"] else "FAILED",
            shown.line(one["what"]),
            f"{one['seconds']:.1f} s",
            shown.line(one["line"]),
        )
        for one in told["runs"]
    ]
    screen.table(runs_told or [("none",)], indent="  ")


def _held(one: dict[str, Any]) -> str:
    held = f"{shown.line(one['held'])}, {UNTIL}; " if one["held"] else ""
    return held + (f"{shown.line(one['waiting'])}; " if one["waiting"] else "")


def _row(one: dict[str, Any], now: int) -> tuple[str, ...]:
    release = f"release {one['release']}" if one["release"] else "none seen yet" if one["pinned"] else "no Release"
    until = _until(one["expires"], now) if one["expires"] else ""
    count = len(one["pinned"])
    keys = f"{words.counted(count, 'key')} pinned" if count else "no key pinned: by Portage alone"
    if one["root"]:
        keys = f"root {one['root']} {_until(one['root_expires'], now)}, {keys}"
    return one["binrepo"], release, until, f"{keys}; {one['uri'] or 'binrepos.conf does not have it'}"


def _until(expires: int, now: int) -> str:
    return f"until {words.day(expires)}" if expires > now else f"EXPIRED {words.day(expires)}"


def _ago(now: int, when: int) -> str:
    return f"{words.spell(max(0, now - when))} ago"
