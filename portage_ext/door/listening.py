"""The service over https: each POST carries one line of the protocol, and the certificate of the connection says who asks.

Somebody without a known certificate gets no further than the handshake. Everything has a limit: the handshake, the time and the
size of a request, the connections of one client and of all. The answers are those of ``door/talk``.
"""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from portage_ext import shown
from portage_ext.asking import protocol
from portage_ext.asking.over_https import PATH, TYPE
from portage_ext.config.asking import Client, Door
from portage_ext.door.certificates import Register
from portage_ext.door.desk import Desk
from portage_ext.door.talk import answered
from portage_ext.errors import PortageExtError
from portage_ext.limits import builds as limits

Desks = Callable[[Client], AbstractContextManager[Desk]]
_QUIET: Final = 1.0
"""At most one line about refused connections within so many seconds, so that nobody fills the log."""


class Listener(ThreadingHTTPServer):
    """Listens where ``door`` says; ``serve_forever`` serves. Raises OSError if the address cannot be used."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, door: Door, register: Register, desks: Desks, say: Callable[[str], None]) -> None:
        self.address_family = socket.AF_INET6 if ":" in door.address else socket.AF_INET
        self.register, self.desks = register, desks
        self._say, self._said = say, -_QUIET
        self._lock = threading.Lock()
        self._open = 0
        self.of_clients: Counter[str] = Counter()
        super().__init__((door.address, door.port), _Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Count the connection; False if there are too many."""
        with self._lock:
            if self._open >= limits.DOOR_CONNECTIONS:
                return False
            self._open += 1
            return True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open -= 1

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection, in a thread of its own."""
        request.settimeout(limits.DOOR_HANDSHAKE)
        # An answer has a head and a line. Without this, the line waits until the client has acknowledged the head: 40 ms.
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.ExitStack() as stack:
            try:
                context = self.register.now().context
                connection = context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
                stack.callback(_close, connection)
                connection.do_handshake()
                _Handler(connection, client_address, self)
            except (OSError, PortageExtError) as error:
                self.tell(f"{client_address[0]} is not served: {_reason(error)}")

    @contextlib.contextmanager
    def counted(self, name: str) -> Iterator[bool]:
        """Count a connection of the client ``name`` in the block; yields whether the client may have it."""
        with self._lock:
            self.of_clients[name] += 1
            may = self.of_clients[name] <= limits.DOOR_CLIENT
        try:
            yield may
        finally:
            with self._lock:
                self.of_clients[name] -= 1

    def tell(self, text: str) -> None:
        """Say it, unless something was said just before."""
        now = time.monotonic()
        with self._lock:
            if now - self._said < _QUIET:
                return
            self._said = now
        self._say(text)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A defect ends one connection."""
        error = sys.exc_info()[1]
        self.tell(f"a connection from {client_address[0]} has ended: {type(error).__name__}: {error}")


class _Bounded(io.RawIOBase):
    """The bytes of a connection, until a moment: who sends or reads drop by drop has no more time than others."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self._connection = connection
        self.until = 0.0

    def begin(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._wait()
        return self._connection.recv_into(buffer)

    def write(self, data: Any) -> int:
        left = memoryview(data)
        while left:
            self._wait()
            left = left[self._connection.send(left) :]
        return len(data)

    def _wait(self) -> None:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("it took too long")
        self._connection.settimeout(left)


class _Handler(BaseHTTPRequestHandler):
    server: Listener
    connection: ssl.SSLSocket
    protocol_version = "HTTP/1.1"
    server_version = "portage-ext"
    sys_version = ""

    def setup(self) -> None:
        self.connection = self.request
        self._bounded = _Bounded(self.connection)
        self.rfile = io.BufferedReader(self._bounded)
        self.wfile: Any = self._bounded
        self._certificate = self.connection.getpeercert(binary_form=True)
        self._may = False

    def finish(self) -> None:
        """Nothing is buffered."""

    def handle(self) -> None:
        client = self.server.register.now().client(self._certificate)
        with self.server.counted("" if client is None else client.name) as self._may:
            super().handle()

    def handle_one_request(self) -> None:
        self._bounded.begin(limits.DOOR_REQUEST)
        super().handle_one_request()

    def do_POST(self) -> None:
        if self.path != PATH:
            self.send_error(HTTPStatus.NOT_FOUND, f"there is only {PATH}")
            return
        size = self.headers.get("Content-Length", "")
        if not size.isascii() or not size.isdigit() or len(size) > 10 or "Transfer-Encoding" in self.headers:
            self.send_error(HTTPStatus.LENGTH_REQUIRED, "it has no Content-Length")
        elif int(size) > limits.ASK_LINE:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the line is longer than {limits.ASK_LINE} bytes")
        else:
            line = self.rfile.read(int(size))
            if len(line) == int(size):
                self._tell(HTTPStatus.OK, self._answer(line))

    def _answer(self, line: bytes) -> dict[str, Any]:
        client = self.server.register.now().client(self._certificate)
        if client is None:
            self.close_connection = True
            why = "no [client.NAME] of this service names the certificate of this host"
            return {"id": 0, "refused": "certificate", "why": why}
        if not self._may:
            self.close_connection = True
            why = f"client {client.name} has {limits.DOOR_CLIENT} connections already"
            return {"id": 0, "refused": "rate", "why": why}
        with self.server.desks(client) as desk:
            return answered(desk, line)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no request, in the form of every answer, and end the connection."""
        self.close_connection = True
        why = f"it is no message of this protocol: {shown.line(message or HTTPStatus(code).phrase)}"
        self._tell(HTTPStatus(code), {"id": 0, "refused": "message", "why": why})

    def _tell(self, code: HTTPStatus, values: dict[str, Any]) -> None:
        data = protocol.emit(values)
        self._bounded.begin(limits.DOOR_REQUEST)
        self.send_response(code)
        self.send_header("Content-Type", TYPE)
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: requests are in the ledger."""


def _close(connection: ssl.SSLSocket) -> None:
    """End the connection after the other side has read everything, if it reads within DOOR_LINGER."""
    until = time.monotonic() + limits.DOOR_LINGER
    with contextlib.closing(connection), contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        while (left := until - time.monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(64 * 1024):
                return


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"nobody has named its certificate ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return str(error)
