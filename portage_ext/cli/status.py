"""portage-ext status: releases published here and followed, keys pinned, and what the last runs did. No network."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from portage_ext import shown
from portage_ext.cli.screen import Screen
from portage_ext.cli.tree import UNTIL
from portage_ext.config import settings as configuration
from portage_ext.errors import SettingsError, UnknownPortageError
from portage_ext.host.here import Here, binrepos, here
from portage_ext.policy import health
from portage_ext.releases.tree import Tree
from portage_ext.trust import kept_root
from portage_ext.trust.keyrings import TrustDirectory
from portage_ext.trust.machine import trusted_keys
from portage_ext.trust.memory import StateDirectory, checked_name
from portage_ext.unattended import log

_RUNS: Final = 10


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0. Whether all is well is for `portage-ext check`; nothing is asked of the network here."""
    host = here()
    named, trouble = _named()
    told = {"channels": _channels(host), "followed": _followed(host, named), "runs": _runs(host)}
    if options.json:
        print(json.dumps(told))
    else:
        _print(told, int(time.time()))
    if trouble:
        print(f"portage-ext status: {trouble}", file=sys.stderr)
    return 0


def _channels(host: Here) -> list[dict[str, Any]]:
    settings = configuration.load(host.config_root).publishing
    trees = [one.tree for one in ([settings.own] if settings.own else []) + list(settings.repositories.values())]
    found: list[dict[str, Any]] = []
    for tree in map(Tree, trees):
        for channel, number in tree.channels().items():
            release, note = tree.release(number), tree.note(number)
            values = {"tree": str(tree.root), "channel": channel, "release": number, "created": release.created}
            values |= {"expires": release.expires, "packages": len(tree.contents(number).entries), "origin": note.origin}
            found.append({**values, "held": None if note.hold is None else str(note.hold)})
    return found


def _named() -> tuple[dict[str, str], str]:
    """Name and sync-uri of each binrepo, and what keeps them from being read."""
    try:
        return {one.name: one.sync_uri for one in binrepos() if one.name}, ""
    except (SettingsError, UnknownPortageError) as error:
        return {}, str(error)


def _followed(host: Here, named: Mapping[str, str]) -> list[dict[str, Any]]:
    directory, found = TrustDirectory(host.config_root), list[dict[str, Any]]()
    for name in sorted({*named, *directory.binrepos()}):
        state = StateDirectory(host.eroot, checked_name(name))
        memory = state.load()
        seen, pins = memory.seen, directory.pins(name)
        rooted, root = directory.root_pins(name), kept_root.believed(directory, state)
        values: dict[str, Any] = {
            "binrepo": name,
            "uri": shown.line(named.get(name, "")),
            "pinned": sorted(rooted.keys if rooted else pins),
        }
        trusted = (root.release_keys if root else ()) if rooted else trusted_keys(pins, seen)
        values |= {"trusted": sorted(trusted), "release": seen.version if seen else None}
        values |= {"root": root.version if root else None, "root_expires": root.expires if root else None}
        values |= {"channel": seen.channel if seen else "", "created": seen.created if seen else None}
        found.append({**values, "expires": memory.expires or None})
    return found


def _runs(host: Here) -> list[dict[str, Any]]:
    latest = log.read(host.config_root)[-_RUNS:]
    return [{name: getattr(one, name) for name in ("when", "what", "ok", "line", "release", "seconds")} for one in latest]


def _print(told: dict[str, list[dict[str, Any]]], now: int) -> None:
    screen = Screen()
    screen.line("published here", "bold")
    rows: list[tuple[str, ...]] = [
        (
            one["channel"],
            f"release {one['release']}",
            f"{one['packages']} packages",
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
    return f"{shown.line(one['held'])}, {UNTIL}; " if one["held"] else ""


def _row(one: dict[str, Any], now: int) -> tuple[str, ...]:
    release = f"release {one['release']}" if one["release"] else "none seen yet" if one["pinned"] else "no Release"
    until = _until(one["expires"], now) if one["expires"] else ""
    count = len(one["pinned"])
    keys = f"{count} {'key' if count == 1 else 'keys'} pinned" if count else "no key pinned: by Portage alone"
    if one["root"]:
        keys = f"root {one['root']} {_until(one['root_expires'], now)}, {keys}"
    return one["binrepo"], release, until, f"{keys}; {one['uri'] or 'binrepos.conf does not have it'}"


def _until(expires: int, now: int) -> str:
    return f"until {health.date(expires)}" if expires > now else f"EXPIRED {health.date(expires)}"


def _ago(now: int, when: int) -> str:
    return f"{health.spell(max(0, now - when))} ago"
