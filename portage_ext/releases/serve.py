"""Serve only the files of a tree over HTTP: GET and HEAD, no listing, no names that begin with a dot, nothing outside.

Below a folder ``pages`` it serves as a web server serves pages: with types that a browser shows, and index.html for the folder.

Each answer comes from one open file, so switching a channel affects only later answers. Ranges, If-Modified-Since and
If-None-Match follow RFC 9110 (13, 14), with one range at most.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from stat import S_ISREG
from typing import IO, Final
from urllib.parse import unquote, urlsplit

from portage_ext import __version__, limits
from portage_ext.releases import pages

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".atom": "application/atom+xml; charset=utf-8",
}
_OTHER: Final = "application/octet-stream"
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_IDLE: Final = 30
"""Seconds of silence after which a connection is given up."""


def make_server(root: Path, address: str, port: int) -> ThreadingHTTPServer:
    """A server of the files below ``root``, not yet running. Raises OSError if the address cannot be used."""
    top = os.path.realpath(root)
    handler = type("TreeHandler", (_Handler,), {"root": top})

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        daemon_threads = True

    return Server((address, port), handler)


class _Handler(BaseHTTPRequestHandler):
    root: str
    protocol_version = "HTTP/1.1"
    server_version = f"portage-ext/{__version__}"
    sys_version = ""
    timeout = _IDLE
    _type = _OTHER

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Do nothing: requests are not logged."""

    def _answer(self, *, body: bool) -> None:
        file = self._open()
        if file is None:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        with file:
            status = os.fstat(file.fileno())
            tag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
            modified = int(status.st_mtime)
            if self._unchanged(tag, modified):
                self._head(HTTPStatus.NOT_MODIFIED, 0, tag, modified)
                return
            wanted = self._range(status.st_size, tag, modified)
            if wanted is None:
                self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
                self.send_header("Content-Range", f"bytes */{status.st_size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start, size, partial = wanted
            code = HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK
            extra = [("Content-Range", f"bytes {start}-{start + size - 1}/{status.st_size}")] if partial else []
            self._head(code, size, tag, modified, extra)
            if body:
                for block in _blocks(file, start, size):
                    self.wfile.write(block)

    def _open(self) -> IO[bytes] | None:
        path = unquote(urlsplit(self.path).path, errors="surrogateescape")
        parts = [part for part in path.split("/") if part]
        if path.endswith("/") and parts[-1:] == [pages.DIRECTORY]:
            parts.append("index.html")
        elif path.endswith("/"):
            return None
        if not parts or "\0" in path or any(part.startswith(".") for part in parts):
            return None
        self._type = _TYPES.get(os.path.splitext(parts[-1])[1], _OTHER) if pages.DIRECTORY in parts[:-1] else _OTHER
        # A channel is a link inside the tree. A link that leads out of the tree is not served.
        real = os.path.realpath(os.path.join(self.root, *parts))
        if not real.startswith(f"{self.root}/"):
            return None
        try:
            fd = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError):
            return None
        if S_ISREG(os.fstat(fd).st_mode):
            return open(fd, "rb", buffering=0)
        os.close(fd)
        return None

    def _unchanged(self, tag: str, modified: int) -> bool:
        tags = self.headers.get("If-None-Match")
        if tags is not None:
            return tags.strip() == "*" or tag in [one.strip().removeprefix("W/") for one in tags.split(",")]
        since = _seconds(self.headers.get("If-Modified-Since"))
        return since is not None and modified <= since

    def _range(self, size: int, tag: str, modified: int) -> tuple[int, int, bool] | None:
        """Start, length, and whether it is only a part; None for a range outside the file."""
        match = _RANGE.fullmatch(self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if match is None or match[0] == "bytes=-" or (condition and condition != tag and _seconds(condition) != modified):
            return 0, size, False
        if match[1]:
            start, end = int(match[1]), min(int(match[2]) if match[2] else size, size - 1)
        else:
            start, end = max(0, size - int(match[2])), size - 1
        return (start, end - start + 1, True) if start <= end and start < size else None

    def _head(self, code: HTTPStatus, size: int, tag: str, modified: int, extra: list[tuple[str, str]] | None = None) -> None:
        self.send_response(code)
        for name, value in extra or []:
            self.send_header(name, value)
        if code != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(size))
            self.send_header("Content-Type", self._type)
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Accept-Ranges", "bytes")
        self.send_header("Last-Modified", formatdate(modified, usegmt=True))
        self.send_header("ETag", tag)
        self.end_headers()

    def _refuse(self, code: HTTPStatus) -> None:
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _seconds(text: str | None) -> int | None:
    if not text:
        return None
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except (ValueError, OverflowError):
        return None


def _blocks(file: IO[bytes], start: int, size: int) -> Iterator[bytes]:
    file.seek(start)
    while size and (block := file.read(min(size, limits.READ_BLOCK))):
        yield block
        size -= len(block)
