"""A web server that does what an attacker wants: endless answers, drips, lies about lengths. Everything else is served."""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = bytes(1 << 20)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a directory, except for the paths that somebody else answers."""

    answers: dict[str, Answer]
    requests: list[str]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        answer = self.answers.get(self.path)
        if answer is None:
            super().do_GET()
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            answer(self)
        self.close_connection = True

    def begin(self, status: int = 200, length: int | None = None) -> None:
        """Status and headers."""
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""


Answer = Callable[[Handler], None]


@dataclass(slots=True)
class Hostile:
    """``answers`` may be filled while it runs."""

    url: str
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)


@contextlib.contextmanager
def serve(directory: Path) -> Iterator[Hostile]:
    """Serve ``directory`` until the block ends."""
    made = Hostile("")
    handler = type("Handler_", (Handler,), {"answers": made.answers, "requests": made.requests})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(directory)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def endless(prefix: bytes = b"") -> Answer:
    """Bytes without an end and without a length."""

    def answer(handler: Handler) -> None:
        handler.begin()
        handler.wfile.write(prefix)
        while True:
            handler.wfile.write(BLOCK)

    return answer


def announcing(length: int, data: bytes = b"") -> Answer:
    """A length that is not true."""

    def answer(handler: Handler) -> None:
        handler.begin(length=length)
        handler.wfile.write(data)

    return answer


def drip(data: bytes, period: float = 1.0) -> Answer:
    """One byte a second."""

    def answer(handler: Handler) -> None:
        handler.begin(length=len(data))
        for byte in data:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(period)

    return answer


def status(code: int) -> Answer:
    """An error."""

    def answer(handler: Handler) -> None:
        handler.begin(code, 0)

    return answer


def silent(seconds: float) -> Answer:
    """Nothing at all."""

    def answer(_handler: Handler) -> None:
        time.sleep(seconds)

    return answer


def garbage(size: int) -> Answer:
    """As many bytes as there should be, but others."""

    def answer(handler: Handler) -> None:
        handler.begin(length=size)
        handler.wfile.write(b"\xa5" * size)

    return answer


def broken_off(data: bytes) -> Answer:
    """The first half, and then the connection is closed."""

    def answer(handler: Handler) -> None:
        handler.begin(length=len(data))
        handler.wfile.write(data[: len(data) // 2])

    return answer
