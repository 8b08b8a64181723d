"""portage-ext serve: a tree over HTTP, read only, to try it out; a web server of its own is for the rest (etc/examples)."""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
import webbrowser

from portage_ext.cli import places
from portage_ext.errors.releases import TreeError
from portage_ext.releases import pages
from portage_ext.releases.serve import make_server
from portage_ext.releases.tree import Tree


def arguments(parser: argparse.ArgumentParser) -> None:
    places.tree(parser)
    parser.add_argument("--bind", default="127.0.0.1", metavar="ADDRESS", help="(default: %(default)s, this host alone)")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--browse", action="store_true", help="also print the URL of each channel's pages, and open the first")


def run(options: argparse.Namespace) -> int:
    """Serve until it is interrupted. Exit status: 0."""
    tree = places.site(options).tree(options.repository, options.tree)
    root = tree.root
    if not root.is_dir():
        raise TreeError(str(root), "there is no such directory; run portage-ext publish first")
    try:
        server = make_server(root, options.bind, options.port)
    except OSError as error:
        raise TreeError(
            f"{options.bind}:{options.port}", f"cannot listen there: {error.strerror}; choose another --port or --bind"
        ) from error
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
    if options.browse:
        _browse(tree, f"http://{shown}:{port}")
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print(file=sys.stderr)
    return 0


def _browse(tree: Tree, base: str) -> None:
    """Print where the pages are, and let the user's browser open the first, if there is a screen for it."""
    places = [f"{base}/{channel}/pages/" for channel in tree.channels() if (tree.root / channel / pages.DIRECTORY).is_dir()]
    for place in places:
        print(place, flush=True)
    if not places:
        print(
            "portage-ext serve: no channel has pages yet. Set site = true in [publish] and run portage-ext publish",
            file=sys.stderr,
        )
    elif any(os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")):
        webbrowser.open(places[0])


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
