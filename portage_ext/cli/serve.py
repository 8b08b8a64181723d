"""portage-ext serve: a tree over HTTP, read only, to try it out; a web server of its own is for the rest (etc/examples)."""

from __future__ import annotations

import argparse
import ipaddress
import sys

from portage_ext.cli import places
from portage_ext.errors.releases import TreeError
from portage_ext.releases.serve import make_server


def arguments(parser: argparse.ArgumentParser) -> None:
    places.tree(parser)
    parser.add_argument("--bind", default="127.0.0.1", metavar="ADDRESS", help="(default: %(default)s, this host alone)")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one (default: %(default)s)")


def run(options: argparse.Namespace) -> int:
    """Serve until it is interrupted. Exit status: 0."""
    tree = places.site(options).tree(options.repository, options.tree)
    root = tree.root
    if not root.is_dir():
        raise TreeError(str(root), "there is no such directory; run portage-ext publish first")
    try:
        server = make_server(root, options.bind, options.port)
    except OSError as error:
        raise TreeError(f"{options.bind}:{options.port}", f"cannot be served on: {error.strerror}") from error
    if not _loopback(options.bind):
        print(
            f"portage-ext serve: {options.bind} is reachable by others. There is no TLS, no limit and no log here: "
            "for more than a trial use nginx (etc/examples/nginx-binhost.conf)",
            file=sys.stderr,
        )
    host, port = server.server_address[0], server.server_address[1]
    shown = f"[{host!s}]" if ":" in str(host) else str(host)
    for channel in tree.channels() or {"(no channel yet)": 0}:
        print(f"sync-uri = http://{shown}:{port}/{channel}", flush=True)
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print(file=sys.stderr)
    return 0


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
