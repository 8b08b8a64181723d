"""HTTP is done with requests: connections are reused, proxies and passwords come from the environment, and a redirect may not
lead from https to http.

The body is read block by block as it is transmitted. It is not decompressed, because the digests are those of the bytes of the
file.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import Final
from urllib.parse import urljoin

import requests
import urllib3

from portage_ext import __version__, limits
from portage_ext.errors.trust import MirrorError, NotFoundError, SlowMirrorError, UnsupportedUrlError
from portage_ext.fetch.transfer import Patience, Transfer, Transport, parsed, watched
from portage_ext.shown import short

CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/(?:[0-9]{1,18}|\*)")
# Our own errors say what is wrong with an answer. Without this, emerge would also print urllib3's log, with a traceback.
logging.getLogger("urllib3").propagate = False
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class HttpTransport:
    """One session for all transfers of a run."""

    def __init__(self, accept: str = "*/*") -> None:
        """``accept`` is the Accept header, for servers that have a file in several forms."""
        self._session = requests.Session()
        self._session.headers.update(
            {"User-Agent": f"portage-ext/{__version__}", "Accept": accept, "Accept-Encoding": "identity"}
        )
        # Mirrors do not need cookies, and cookies are foreign text that we would have to parse.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))

    def close(self) -> None:
        self._session.close()

    def run(self, transfer: Transfer, patience: Patience) -> None:
        try:
            with watched(transfer, patience):
                self._run(transfer, patience)
        except requests.Timeout as error:
            raise SlowMirrorError(transfer.shown, f"it was silent for {patience.timeout:g} s") from error
        except urllib3.exceptions.ReadTimeoutError as error:
            raise SlowMirrorError(transfer.shown, f"it was silent for {patience.timeout:g} s") from error
        except UnicodeError:
            # The message of the exception is not shown, because it may contain a character of a password.
            raise MirrorError(
                transfer.shown, "its URL, or one that it redirects to, has characters that cannot be sent"
            ) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError) as error:
            raise MirrorError(transfer.shown, f"it cannot be used ({short(error)})") from error

    def _run(self, transfer: Transfer, patience: Patience) -> None:
        with self._open(transfer, patience) as response:
            begin(transfer, response.status_code, response.headers.get("Content-Range", ""))
            transfer.announce(content_length(response.headers.get("Content-Length")))
            for block in _blocks(response.raw):
                transfer.take(block)

    def _open(self, transfer: Transfer, patience: Patience) -> requests.Response:
        url = transfer.url
        headers = {"Range": f"bytes={transfer.offset}-"} if transfer.offset else {}
        for _ in range(limits.MAX_REDIRECTS + 1):
            response = self._session.get(url, headers=headers, stream=True, timeout=patience.timeout, allow_redirects=False)
            if response.status_code not in _REDIRECTS or "Location" not in response.headers:
                return response
            response.close()
            url = self._following(transfer, url, response.headers["Location"])
        raise MirrorError(transfer.shown, f"it redirects more than {limits.MAX_REDIRECTS} times")

    @staticmethod
    def _following(transfer: Transfer, url: str, location: str) -> str:
        """Where a redirect from ``url`` leads. Raises MirrorError."""
        try:
            following = urljoin(url, location)
            scheme = parsed(following).scheme
        except (ValueError, UnsupportedUrlError):
            raise MirrorError(transfer.shown, "it redirects to something that is no URL") from None
        if scheme not in {"https", parsed(url).scheme}:
            raise MirrorError(transfer.shown, "it redirects from https to something weaker")
        return following


def _blocks(raw: urllib3.HTTPResponse) -> Iterator[bytes]:
    """The body in blocks as they arrive. ``read`` would wait for a full block, and a very slow mirror would not be noticed."""
    while block := raw.read1(limits.TRANSFER_BLOCK, decode_content=False):
        yield block
    if raw.length_remaining:
        raise urllib3.exceptions.IncompleteRead(0, raw.length_remaining)


def begin(transfer: Transfer, status: int, content_range: str) -> None:
    """Judge the status of an answer before its body is read. Raises MirrorError, NotFoundError."""
    if status == 206 and transfer.offset:
        match = CONTENT_RANGE.fullmatch(content_range)
        if match is None or int(match[1]) != transfer.offset:
            raise MirrorError(transfer.shown, f"it continues at {content_range!r}, not at byte {transfer.offset}")
    elif status == 200:
        transfer.begin_anew()
    elif status in (404, 410):
        raise NotFoundError(transfer.shown, f"it does not have the file (status {status})")
    elif status == 416 and transfer.offset:
        transfer.begin_anew()
        raise MirrorError(transfer.shown, "it cannot continue a partial file (status 416)")
    elif status == 403:
        # The file may exist although access is denied, so this does not count as absent.
        raise MirrorError(
            transfer.shown,
            "it forbids the file (status 403); a store that answers so for what it does not have, as S3 does where readers may "
            "not list it, must answer 404 instead",
        )
    else:
        raise MirrorError(transfer.shown, f"it answers with status {status}")


def content_length(text: str | None) -> int | None:
    """The length in a Content-Length header, in bytes; None if it is absent or not a number."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 19 else None


def transport() -> Transport:
    """Make the transport; called through ``transfer.TRANSPORTS``."""
    return HttpTransport()
