"""The readers of HTTP: any bytes that a server sends, over a real socket. The same server answers for all others."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from functools import cache
from unittest import mock

from portage_ext import limits
from portage_ext.errors.trust import TrustError
from portage_ext.fetch.direct import DirectTransport
from portage_ext.fetch.http import HttpTransport
from portage_ext.fetch.transfer import Patience, Transfer, Transport
from tests.system.fuzz.judging import Target

LIMIT = 4 * limits.MIB
PATIENCE = Patience(timeout=5, low_speed=1, low_speed_time=30)
BODY = b"0123456789" * 20
ANSWERS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\nContent-Type: x\r\n\r\n" + BODY,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" + BODY[:100] + b"\r\n0\r\nTrailer: x\r\n\r\n",
    b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 10-199/200\r\nContent-Length: 190\r\n\r\n" + BODY[10:],
    b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://user:pw@other.invalid:99999/x\r\n\r\n",
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 416 No\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\nSet-Cookie: a=b\r\n\r\n" + BODY,
)
WORDS = (
    b"\r\n",
    b"\r\n\r\n",
    b"Location: ",
    b"Location: //[x]/\r\n",
    b"Location: http://\r\n",
    b"Location: https://h/\r\n",
    b"Content-Length: ",
    b"Content-Range: bytes 10-\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: br\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"Location: file:///etc/passwd\r\n",
    b"Location: http://\xff\r\n",
    b"ffffffffffffffff\r\n",
    b"Connection: keep-alive\r\n",
    b"WWW-Authenticate: Digest realm=x\r\n",
    b"X-A: b\r\n",
)


class Server:
    """Sends ``answer`` to everybody."""

    def __init__(self) -> None:
        self.answer = b""
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = self._listening.getsockname()
        self.connect = socket.create_connection
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            # A client that has seen enough goes away.
            with contextlib.suppress(OSError), connection:
                connection.settimeout(5)
                request = b""
                while b"\r\n\r\n" not in request and (more := connection.recv(4096)):
                    request += more
                connection.sendall(self.answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass


@cache
def server() -> Server:
    """One for all; it lives as long as the process."""
    return Server()


@contextlib.contextmanager
def nowhere_else() -> Iterator[Server]:
    """Every connection goes to the server, whoever was meant; no proxy, no credentials of this user."""
    one = server()

    def connect(_address: object, timeout: float | None = None, *_more: object, **_options: object) -> socket.socket:
        return one.connect(one.address, timeout)

    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    with (
        mock.patch.dict(os.environ, {**environment, "NETRC": "/dev/null"}, clear=True),
        mock.patch("urllib3.util.connection.create_connection", connect),
        mock.patch("socket.create_connection", connect),
    ):
        yield one


def fetched(make: Callable[[], Transport], *offsets: int) -> Callable[[bytes], None]:
    def call(data: bytes) -> None:
        with nowhere_else() as one:
            one.answer = data
            for offset in offsets:
                transport = make()
                with contextlib.suppress(TrustError), contextlib.closing(transport):
                    transport.run(Transfer("http://binhost.invalid/Packages", LIMIT, _ignore, _nothing, offset), PATIENCE)

    return call


def _ignore(_block: bytes | memoryview) -> None:
    return


def _nothing() -> None:
    return


TARGETS = (
    Target("http", lambda: ANSWERS, fetched(HttpTransport, 0, 10), (), WORDS),
    Target("http-direct", lambda: ANSWERS, fetched(DirectTransport, 0), (), WORDS),
)
