"""A large file is hashed behind the writer, from the buffers that it was received in, and its digests are still right."""

from __future__ import annotations

import hashlib
import random
import socket
import threading
from pathlib import Path
from queue import Queue

import pytest

from portage_ext import limits
from portage_ext.errors.trust import CorruptFileError
from portage_ext.fetch import direct, sinks
from portage_ext.fetch.sinks import FileSink
from portage_ext.fetch.transfer import Transfer

DATA = random.Random(1).randbytes(24 * limits.MIB + 4321)


def receive(sink: FileSink, data: bytes) -> None:
    """Have ``sink`` filled by the short way, from a server that sends ``data``."""
    transfer = Transfer("http://host/file", len(data), sink.write, sink.restart)
    here, there = socket.socketpair()
    with here, there:

        def serve() -> None:
            there.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data)

        server = threading.Thread(target=serve)
        server.start()
        direct._receive(here, transfer)
        server.join()


def late(ended: threading.Event) -> object:
    """A consumer that hashes a block as late as it can: when no further block fits into its queue, or all have come."""

    def consume(lane: Queue[bytes | memoryview | None], digest: hashlib._Hash) -> None:
        while (block := lane.get()) is not None:
            while not lane.full() and not ended.is_set():
                ended.wait(0.001)
            digest.update(block)

    return consume


@pytest.mark.parametrize("names", [("BLAKE2B",), ("BLAKE2B", "SHA512")])
def test_no_buffer_is_filled_again_before_it_was_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    ended = threading.Event()
    monkeypatch.setattr(sinks, "_consume", late(ended))
    digests = {name: hashlib.new(name.lower(), DATA).hexdigest() for name in names}
    sink = FileSink(tmp_path / "file", len(DATA), digests)
    receive(sink, DATA)
    ended.set()
    sink.finish("test")
    sink.close()
    assert (tmp_path / "file").read_bytes() == DATA


@pytest.mark.parametrize("at", [0, 5 * limits.MIB, len(DATA) - 1])
def test_one_wrong_byte_of_a_large_file_is_found(tmp_path: Path, at: int) -> None:
    digests = {"BLAKE2B": hashlib.blake2b(DATA).hexdigest()}
    sink = FileSink(tmp_path / "file", len(DATA), digests)
    receive(sink, DATA[:at] + bytes([DATA[at] ^ 1]) + DATA[at + 1 :])
    with pytest.raises(CorruptFileError):
        sink.finish("test")
    sink.close()
