"""Who can read what this host serves: `check` asks as a stranger would, without a password or a key.

An address counts as public if it is globally reachable (IANA's special-purpose registries; ipaddress.is_global). Addresses of
home networks and of VPNs are not, such as 10.0.0.0/8, and 100.64.0.0/10 of Tailscale.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from portage_ext import limits, shown
from portage_ext.config.publishing import Publishing
from portage_ext.model.release import PLAIN_FORM
from portage_ext.policy import health
from portage_ext.policy.health import Area, Finding
from portage_ext.releases.tree import Tree
from portage_ext.trust.release import RELEASE_NAME

_GUIDE: Final = "docs/publishing.md, Serving"


@dataclass(frozen=True, slots=True)
class _Served:
    """An index at ``url``. ``private`` is the table that says so; empty: everybody may read it."""

    url: str
    private: str = ""


def areas(settings: Publishing, header_uri: str) -> dict[str, Callable[[], Area]]:
    """The checks of what has a URL, by the name of the area.

    ``header_uri`` is PORTAGE_BINHOST_HEADER_URI, with which Portage names the URL of PKGDIR in the index; it may be empty.
    """
    found: dict[str, Callable[[], Area]] = {}
    named = {"publish": settings.own, **{f"repository.{name}": one for name, one in settings.repositories.items()}}
    for table, one in named.items():
        if one is not None and one.url:
            private = f"[{table}]" if one.private else ""
            found[f"served by [{table}]"] = partial(_tree, f"served by [{table}]", Tree(one.tree), one.url, private)
    if header_uri.lower().startswith(("http:", "https:")):
        found["served PKGDIR"] = partial(_pkgdir, header_uri)
    return found


def _pkgdir(uri: str) -> Area:
    try:
        named = urlsplit(uri).hostname
    except ValueError:
        named = None
    if not named:
        wrong = health.error(
            f"PORTAGE_BINHOST_HEADER_URI is not a URL: {uri}",
            "correct it in make.conf: Portage tells clients of PKGDIR to fetch packages from there",
        )
        return Area("served PKGDIR", "cannot be checked", (wrong,))
    return _area("served PKGDIR", [_Served(uri)])


def _tree(called: str, tree: Tree, url: str, private: str) -> Area:
    return _area(called, [_Served(f"{url.rstrip('/')}/{channel}", private) for channel in tree.channels()])


def _area(called: str, served: list[_Served]) -> Area:
    if not served:
        return Area(called, "nothing is published yet")
    try:
        address = public_address(served[0].url)
    except (OSError, UnicodeError) as error:  # UnicodeError: a part of the name is empty or too long for DNS
        return Area(called, shown.line(f"the name in {served[0].url} has no address here: {error}"))
    if not address:
        return Area(called, shown.line(f"{served[0].url} has no public address"))
    findings = tuple(found for one in served if (found := _finding(one, address)) is not None)
    return Area(called, shown.line(f"at the public address {address}"), findings)


def _finding(one: _Served, address: str) -> Finding | None:
    if not _is_there(f"{one.url}/{PLAIN_FORM}"):
        return None
    if one.private:
        return health.error(
            f"everybody can read {one.url}: {address} is a public address and the server asks for no password, "
            f"but {one.private} is private",
            f"let the web server ask for a password, or listen on the address of a VPN only ({_GUIDE})",
        )
    if not _is_there(f"{one.url}/{RELEASE_NAME}"):
        return health.warning(
            f"{one.url} is public and has no Release: clients cannot tell whether its index is yours or current",
            f"serve a tree that `portage-ext publish` makes, and give clients its key ({_GUIDE})",
        )
    return None


def public_address(url: str) -> str:
    """A public address of the host in ``url``; empty if it has none. Raises OSError if the name has no address."""
    host = urlsplit(url).hostname or ""
    found = {str(one[4][0]).partition("%")[0] for one in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    return next((one for one in sorted(found) if ipaddress.ip_address(one).is_global), "")


def _is_there(url: str) -> bool:
    """Whether somebody without a password gets the file. A server that does not answer does not give it, either."""
    request = urllib.request.Request(url, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=limits.CHECK_TIMEOUT) as answer:
            return bool(answer.status == http.client.OK)
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError):
        return False
