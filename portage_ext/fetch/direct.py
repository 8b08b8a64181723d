"""The first attempt at a package is one plain GET over a socket, because emerge starts a new process for each package.

Importing requests takes longer than fetching a small package, and importing http.client half as long. So the first attempt uses
this module if nothing more is needed. It accepts only one kind of answer: status 200, a Content-Length that is the size of the
file, and no encoding. If there is a proxy, a password, a redirect, another header that changes the meaning of the body, or any
failure, the file is fetched with requests instead.
"""

from __future__ import annotations

import os
import select
import socket
import time
from itertools import cycle
from typing import Any, Final

from portage_ext import __version__, limits
from portage_ext.errors.trust import MirrorError, UnsupportedUrlError
from portage_ext.fetch.sinks import BLOCKS_IN_USE
from portage_ext.fetch.transfer import Patience, Transfer, parsed, watched
from portage_ext.shown import short

_PROXIES: Final = frozenset({"http_proxy", "https_proxy", "all_proxy", "netrc"})
_CERTIFICATES: Final = frozenset({"requests_ca_bundle", "curl_ca_bundle"})
_HEADER: Final = 16 * limits.KIB
_BUFFER: Final = limits.TRANSFER_BLOCK
_PERIOD: Final = 0.2
_SPLICED_FROM: Final = 4 * limits.MIB
"""Below this number of bytes the threads that hash what was spliced cost more than they save."""


class DirectTransport:
    """One connection for one file."""

    def close(self) -> None:
        """Do nothing: no connection is kept."""

    def run(self, transfer: Transfer, patience: Patience) -> None:
        try:
            with watched(transfer, patience), _connect(transfer.url, patience.timeout) as connection:
                connection.sendall(_request(transfer.url))
                _receive(connection, transfer)
        except (OSError, ValueError) as error:
            raise MirrorError(transfer.shown, f"it cannot be used ({short(error)})") from error


def _connect(url: str, timeout: float) -> socket.socket:
    parts = parsed(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    # The host is given as bytes: for a str, Python would load its tables for international names. socket accepts bytes,
    # although its type stubs do not say so.
    address: tuple[Any, int] = (host.encode("ascii"), port)
    connection = socket.create_connection(address, timeout)
    if parts.scheme != "https":
        return connection
    import ssl

    return ssl.create_default_context().wrap_socket(connection, server_hostname=host)


def _request(url: str) -> bytes:
    parts = parsed(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = (
        f"GET {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        f"User-Agent: portage-ext/{__version__}",
        "Accept-Encoding: identity",
        "Connection: close",
    )
    if any(not line.isascii() or not line.isprintable() for line in lines) or " " in target:
        raise ValueError("a URL with characters that have to be encoded")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def _receive(connection: socket.socket, transfer: Transfer) -> None:
    received = b""
    while (end := received.find(b"\r\n\r\n")) < 0:
        block = connection.recv(_HEADER)
        if not block or len(received) > _HEADER:
            raise ValueError("no header")
        received += block
    length = _length(received[:end])
    transfer.announce(length)
    transfer.take(received[end + 4 :])
    # Not a socket of ssl: its bytes have to be decrypted here.
    if length >= _SPLICED_FROM and type(connection) is socket.socket:
        _splice(connection, transfer, length)
    # The sink may still read blocks that it was given before. So several buffers are used in turn, and no block is copied.
    # None is larger than the file: the system clears a page for each 4 KiB.
    number, each = (BLOCKS_IN_USE, _BUFFER) if length > _BUFFER else (2, max(length, 1))
    buffers = cycle([memoryview(bytearray(each)) for _ in range(number)])
    buffer = next(buffers)
    filled, handed_on = 0, time.monotonic()
    while transfer.offset + filled < length:
        count = connection.recv_into(buffer[filled:])
        if not count:
            transfer.take(buffer[:filled])
            raise ValueError(f"it broke off with {length - transfer.offset} bytes to come")
        filled += count
        # Passing on every small block would be slow. But the sink gets some data in each period, so that progress is visible.
        if filled == len(buffer) or time.monotonic() - handed_on > _PERIOD or transfer.offset + filled >= length:
            transfer.take(buffer[:filled])
            buffer = next(buffers)
            filled, handed_on = 0, time.monotonic()


def _splice(connection: socket.socket, transfer: Transfer, length: int) -> None:
    """Let the kernel move the body, as far as it can. Raises OSError, TimeoutError, ValueError."""
    timeout = connection.gettimeout()
    readable = select.poll()
    readable.register(connection, select.POLLIN)
    while transfer.offset < length:
        if not readable.poll(None if timeout is None else timeout * 1000):
            raise TimeoutError("timed out")
        try:
            taken = transfer.take_from(connection.fileno(), length - transfer.offset)
        except BlockingIOError:
            continue
        if taken is None:
            return
        if not taken:
            raise ValueError(f"it broke off with {length - transfer.offset} bytes to come")


def _length(header: bytes) -> int:
    """The Content-Length of an answer that this module accepts, in bytes. Raises ValueError for any other answer."""
    status, *lines = header.decode("ascii").split("\r\n")
    words = status.split(" ", 2)
    if words[0] not in ("HTTP/1.1", "HTTP/1.0") or words[1:2] != ["200"]:
        raise ValueError(f"it answers {status[:60]!r}")
    fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    lengths = [value for name, value in fields if name == "content-length"]
    if len(lengths) != 1 or not lengths[0].isdigit() or len(lengths[0]) > 18:
        raise ValueError("no length")
    if any(name in ("transfer-encoding", "content-encoding", "trailer", "upgrade") for name, _ in fields):
        raise ValueError("an encoded answer")
    return int(lengths[0])


def suits(url: str, offset: int) -> bool:
    """Whether a file can be fetched this way: from its first byte, and with a URL and environment that need nothing more."""
    try:
        parts = parsed(url)
    except UnsupportedUrlError:
        return False  # the transport with requests reports what is wrong with the URL
    if offset or parts.scheme not in ("http", "https") or "@" in parts.netloc:
        return False
    asking = _PROXIES | _CERTIFICATES if parts.scheme == "https" else _PROXIES
    return asking.isdisjoint(name.lower() for name in os.environ) and not os.path.exists(os.path.expanduser("~/.netrc"))
