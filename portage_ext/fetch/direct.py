"""The short way to one file: a plain GET through http.client, for the process that emerge starts once a package.

Importing requests takes longer than fetching a small package. So the first attempt at a package, when nothing needs more
than that, goes this way; a proxy, credentials, a redirect, or any failure at all goes the long way through requests.
"""

from __future__ import annotations

import http.client
import os
from typing import Final
from urllib.parse import urlsplit

from portage_ext import __version__, limits
from portage_ext.fetch.transfer import Patience, Transfer, watched
from portage_ext.refusals import MirrorError

_ENVIRONMENT: Final = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle", "netrc")


class DirectTransport:
    """One connection for one file."""

    def close(self) -> None:
        """Nothing is kept."""

    def run(self, transfer: Transfer, patience: Patience) -> None:
        try:
            with watched(transfer, patience):
                self._run(transfer, patience)
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise MirrorError(transfer.shown, f"it cannot be used ({type(error).__name__}: {error})") from error

    def _run(self, transfer: Transfer, patience: Patience) -> None:
        url = urlsplit(transfer.url)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(url.hostname or "", url.port, timeout=patience.timeout)
        try:
            target = url.path + (f"?{url.query}" if url.query else "")
            headers = {"User-Agent": f"portage-ext/{__version__}", "Accept-Encoding": "identity", "Connection": "close"}
            connection.request("GET", target or "/", headers=headers)
            response = connection.getresponse()
            if response.status != 200:
                raise MirrorError(transfer.shown, f"it answers with status {response.status}")
            transfer.announce(response.length)
            while block := response.read1(limits.TRANSFER_BLOCK):
                transfer.take(block)
            if response.length:
                raise MirrorError(transfer.shown, f"it broke off with {response.length} bytes to come")
        finally:
            connection.close()


def suits(url: str, offset: int) -> bool:
    """Whether a file can be had this way: from its first byte, and nothing in URL or environment asks for more."""
    parts = urlsplit(url)
    if offset or parts.scheme not in ("http", "https") or "@" in parts.netloc:
        return False
    names = {name.lower() for name in os.environ}
    return names.isdisjoint(_ENVIRONMENT) and not os.path.exists(os.path.expanduser("~/.netrc"))
