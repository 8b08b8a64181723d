"""portage-ext door: serve clients that ask for builds: one on standard input and output, which its ssh key starts, or all over
https.

A client waits while this starts, so it imports and reads only what an answer needs.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from portage_ext import limits
from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.builds.places import Places
from portage_ext.cli import places
from portage_ext.config import asking
from portage_ext.config.asking import Client
from portage_ext.door.desk import Desk
from portage_ext.door.requests import Requests
from portage_ext.door.talk import talk
from portage_ext.errors import UsageError
from portage_ext.targets.store import Store


def arguments(parser: argparse.ArgumentParser) -> None:
    places.config_root(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--client", metavar="NAME", help="the client that asks, [client.NAME] of portage-ext.toml")
    what.add_argument("--serve", action="store_true", help="serve clients over https where [door] says, in the foreground")
    what.add_argument("--setup", action="store_true", help="make the certificate of the service for https")
    what.add_argument("--plan", action="store_true", help="plan what was accepted, and end; the door starts this by itself")
    parser.add_argument(
        "--authorize", type=Path, metavar="FILE", help="print the line for authorized_keys that lets the public key FILE in"
    )


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when the client has said all, or the service was stopped."""
    if options.plan:
        return _plan(options)
    if options.setup:
        return _set_up()
    if options.serve:
        return _serve(options)
    client = asking.client(options.config_root, options.client)
    if client is None:
        raise UsageError(f"portage-ext.toml has no [client.{options.client}]")
    if options.authorize:
        from portage_ext.cli.screen import Screen

        Screen().line(f'restrict,command="portage-ext door --client {client.name}" {_public(options.authorize)}')
        return 0
    with _desk(options, client) as desk:
        talk(desk, sys.stdin.buffer, sys.stdout.buffer)
    return 0


@contextlib.contextmanager
def _desk(options: argparse.Namespace, client: Client) -> Iterator[Desk]:
    """The desk that serves ``client``. Raises LedgerError."""
    where = Places.below(places.eroot())
    ledger = Ledger(where.ledger)
    try:
        requests = Requests(where.ledger)
        try:
            yield Desk(client, requests, ledger, Store(places.eroot()), lambda: _start(options, where))
        finally:
            requests.close()
    finally:
        ledger.close()


def _serve(options: argparse.Namespace) -> int:
    """Serve over https until a signal comes."""
    import signal
    import threading

    from portage_ext import shown
    from portage_ext.door.certificates import Register, own
    from portage_ext.door.listening import Listener
    from portage_ext.errors.asking import DoorError
    from portage_ext.swarm import certificate

    def say(text: str) -> None:
        print(f"portage-ext: {shown.line(text)}", file=sys.stderr, flush=True)

    door, _ = asking.service(options.config_root)
    register = Register(options.config_root, places.eroot())
    register.now()
    place = f"[{door.address}]:{door.port}" if ":" in door.address else f"{door.address}:{door.port}"
    try:
        server = Listener(door, register, lambda client: _desk(options, client), say)
    except OSError as error:
        raise DoorError(f"cannot listen at {place} ({error.strerror})", "Choose another `listen` in [door].") from error
    for number in (signal.SIGTERM, signal.SIGINT):
        # `shutdown` waits for the loop that this handler interrupts.
        signal.signal(number, lambda number, frame: threading.Thread(target=server.shutdown).start())
    fingerprint = certificate.fingerprint(own(door, places.eroot())[0])
    say(f"clients can ask at https://{place}; the certificate has the fingerprint {fingerprint}")
    with server:
        server.serve_forever()
    return 0


def _set_up() -> int:
    """Make the certificate."""
    from portage_ext.cli.screen import Screen
    from portage_ext.door import certificates

    screen = Screen()
    screen.line(f'server = "{certificates.make(places.eroot())}"', "bold")
    screen.text(
        "This line belongs in [ask] on each client. Next: name the certificate of each client in [client.NAME], and start "
        "`portage-ext door --serve` as a service."
    )
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
