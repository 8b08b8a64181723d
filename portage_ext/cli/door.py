"""portage-ext door: serve one client that asks for builds, on standard input and output; its ssh key starts this.

A client waits while this starts, so it imports and reads only what an answer needs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from portage_ext import limits
from portage_ext.builds.ledger import Ledger
from portage_ext.builds.places import Places
from portage_ext.cli import places
from portage_ext.config import asking
from portage_ext.door.desk import Desk
from portage_ext.door.requests import Requests
from portage_ext.door.talk import talk
from portage_ext.errors import UsageError
from portage_ext.targets.store import Store


def arguments(parser: argparse.ArgumentParser) -> None:
    places.config_root(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--client", metavar="NAME", help="the client that asks, [client.NAME] of portage-ext.toml")
    what.add_argument("--plan", action="store_true", help="plan what was accepted, and end; the door starts this by itself")
    parser.add_argument(
        "--authorize", type=Path, metavar="FILE", help="print the line for authorized_keys that lets the public key FILE in"
    )


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when the client has said all."""
    if options.plan:
        return _plan(options)
    client = asking.client(options.config_root, options.client)
    if client is None:
        raise UsageError(f"portage-ext.toml has no [client.{options.client}]")
    if options.authorize:
        from portage_ext.cli.screen import Screen

        Screen().line(f'restrict,command="portage-ext door --client {client.name}" {_public(options.authorize)}')
        return 0
    where = Places.below(places.eroot())
    ledger = Ledger(where.ledger)
    requests = Requests(where.ledger)
    try:
        desk = Desk(client, requests, ledger, Store(places.eroot()), lambda: _start(options, where))
        talk(desk, sys.stdin.buffer, sys.stdout.buffer)
    finally:
        requests.close()
        ledger.close()
    return 0


def _start(options: argparse.Namespace, where: Places) -> None:
    """Have planned what was accepted. Raises PortageExtError, OSError."""
    from portage_ext.door import background

    places.site(options)  # nobody sees what the process in the background says of a mistake in the file; the client does
    background.start(where, options.config_root)


def _plan(options: argparse.Namespace) -> int:
    """Plan what was accepted. A process of its own, which may load the whole workshop."""
    from portage_ext.builds.workshop import workshop
    from portage_ext.door import planning

    site = places.site(options)
    with workshop(site) as shop:
        requests = Requests(shop.means.places.ledger)
        try:
            planning.work(shop, requests, site.settings.clients)
        finally:
            requests.close()
    return 0


def _public(path: Path) -> str:
    """A public key of ssh. Raises UsageError, OSError."""
    with path.open("rb") as file:
        text = file.read(limits.CONFIG_FILE_SIZE).decode("utf-8", "replace").strip()
    if "\n" in text or not text.startswith(("ssh-", "ecdsa-", "sk-")):
        raise UsageError(f"{path} is not a public key of ssh, one line that begins with ssh- or ecdsa-")
    return text
