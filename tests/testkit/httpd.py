"""A binhost's web server on loopback that remembers what it was asked for."""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Request:
    """One request: method, path as sent, and the status that was answered."""

    method: str
    path: str
    status: int


@dataclass(slots=True)
class Server:
    """A running server; ``log`` grows while it runs."""

    port: int
    log: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        """The paths that were asked for, in order."""
        return [request.path for request in self.log]

    def packages(self) -> list[str]:
        """The packages that were asked for, as paths below the binhost."""
        return [path.lstrip("/") for path in self.paths() if path.endswith((".gpkg.tar", ".xpak", ".tbz2"))]


class _Handler(http.server.SimpleHTTPRequestHandler):
    log: list[Request]

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        self.log.append(Request(self.command, self.path, int(code)))

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""


@contextlib.contextmanager
def serve(directory: Path, port: int = 0) -> Iterator[Server]:
    """Serve ``directory`` on ``port``, by default a free one, until the block ends."""
    asked: list[Request] = []

    class Handler(_Handler):
        log = asked

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", port), functools.partial(Handler, directory=str(directory)))
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield Server(httpd.server_address[1], asked)
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
