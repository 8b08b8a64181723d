"""A large file is hashed behind the writer, from the buffers that it was received in or from the file into which the kernel
spliced it, and its digests are still right."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import random
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.errors import OutputError
from portage_ext.errors.trust import CorruptFileError, ShortFileError
from portage_ext.fetch import direct, sinks
from portage_ext.fetch.sinks import FileSink
from portage_ext.fetch.transfer import Transfer
from portage_ext.model import digest
from tests.testkit.compiled import compiled

# No two of the blocks that it is cut into are the same, and it is quickly made.
DATA = (random.Random(1).randbytes(limits.MIB + 4321) * 13)[: 13 * limits.MIB + 4321]

DIGESTS = {"BLAKE2B": hashlib.blake2b(DATA).hexdigest(), "SHA512": hashlib.sha512(DATA).hexdigest()}
BY = pytest.mark.parametrize("spliced", [False, True], ids=["received", "spliced"])


def receive(sink: FileSink, data: bytes, *, spliced: bool = False, announced: int = len(DATA)) -> None:
    """Have ``sink`` filled by the short way, from a server that sends ``data``."""
    transfer = Transfer("http://host/file", announced, sink.write, sink.restart, 0, sink.splice if spliced else None)
    here, there = socket.socketpair()
    here.settimeout(30)
    with here, there:

        def serve() -> None:
            with contextlib.suppress(BrokenPipeError):  # where the test has seen enough
                there.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % announced + data)
                there.shutdown(socket.SHUT_WR)

        server = threading.Thread(target=serve)
        server.start()
        try:
            direct._receive(here, transfer)
        finally:
            here.close()
            server.join()


def late(ended: threading.Event) -> Callable[[sinks._Lane], None]:
    """A thread that hashes a block as late as it can: when no further block fits into its queue, or all have come."""

    def consume(lane: sinks._Lane) -> None:
        while (block := lane._queue.get()) is not None:
            while not lane._queue.full() and not ended.is_set():
                ended.wait(0.001)
            lane._digest.update(block)

    return consume


@BY
@pytest.mark.parametrize("names", [("BLAKE2B",), ("BLAKE2B", "SHA512")])
def test_no_buffer_is_filled_again_before_it_was_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], spliced: bool
) -> None:
    ended = threading.Event()
    monkeypatch.setattr(sinks._Lane, "_consume", late(ended))
    digests = {name: hashlib.new(name.lower(), DATA).hexdigest() for name in names}
    sink = FileSink(tmp_path / "file", len(DATA), digests)
    receive(sink, DATA, spliced=spliced)
    ended.set()
    sink.finish("test")
    sink.close()
    assert (tmp_path / "file").read_bytes() == DATA


@BY
@pytest.mark.parametrize("at", [0, 5 * limits.MIB, len(DATA) - 1])
def test_one_wrong_byte_of_a_large_file_is_found(tmp_path: Path, at: int, spliced: bool) -> None:
    sink = FileSink(tmp_path / "file", len(DATA), {"BLAKE2B": DIGESTS["BLAKE2B"]})
    receive(sink, DATA[:at] + bytes([DATA[at] ^ 1]) + DATA[at + 1 :], spliced=spliced)
    with pytest.raises(CorruptFileError):
        sink.finish("test")
    sink.close()


@BY
@pytest.mark.parametrize("built", [False, True])
def test_the_compiled_digest_accepts_and_refuses_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: bool, spliced: bool
) -> None:
    module = compiled("portage_ext.model._lanes") if built else None
    monkeypatch.setattr(digest, "_lanes", lambda: (module, frozenset(["BLAKE2B"] if built else ())))
    for data in (DATA, DATA[:-1] + b"?"):
        sink = FileSink(tmp_path / "file", len(DATA), {"BLAKE2B": DIGESTS["BLAKE2B"]})
        assert isinstance(sink._digests._hashes["BLAKE2B"], hashlib.blake2b) is not built
        receive(sink, data, spliced=spliced)
        with contextlib.nullcontext() if data == DATA else pytest.raises(CorruptFileError):
            sink.finish("test")
        sink.close()


def forbidding(where: str, monkeypatch: pytest.MonkeyPatch, number: int = errno.EINVAL, after: int = 0) -> None:
    """A kernel that after ``after`` good calls refuses to splice ``from`` the socket or ``into`` the file."""
    real, left = os.splice, [after]

    def splice(source: int, target: int, count: int, **more: int) -> int:
        if where == ("into" if "offset_dst" in more else "from"):
            if not left[0]:
                raise OSError(number, os.strerror(number))
            left[0] -= 1
        return real(source, target, count, **more)

    monkeypatch.setattr(os, "splice", splice)


@pytest.mark.parametrize("after", [0, 3])
@pytest.mark.parametrize("where", ["nowhere", "from", "into"])
def test_a_large_file_is_spliced_as_far_as_the_kernel_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, after: int
) -> None:
    forbidding(where, monkeypatch, after=after)
    sink = FileSink(tmp_path / "file", len(DATA), DIGESTS)
    writes: list[int] = []
    write = sink.write

    def counted(block: bytes | memoryview) -> None:
        writes.append(len(block))
        write(block)

    monkeypatch.setattr(sink, "write", counted)
    receive(sink, DATA, spliced=True)
    sink.finish("test")
    sink.close()
    assert (tmp_path / "file").read_bytes() == DATA
    assert (sum(writes) > limits.MIB) is (where == "from")


def test_a_python_without_splice_receives_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "splice")
    sink = FileSink(tmp_path / "file", len(DATA), DIGESTS)
    receive(sink, DATA, spliced=True)
    sink.finish("test")
    sink.close()
    assert (tmp_path / "file").read_bytes() == DATA


@BY
def test_a_file_that_breaks_off_is_continued(tmp_path: Path, spliced: bool) -> None:
    cut = 9 * limits.MIB + 17
    sink = FileSink(tmp_path / "file", len(DATA), DIGESTS)
    with pytest.raises(ValueError, match=f"{len(DATA) - cut} bytes to come"):
        receive(sink, DATA[:cut], spliced=spliced)
    with pytest.raises(ShortFileError):
        sink.finish("test")
    sink.write(DATA[cut:])
    sink.finish("test")
    sink.close()
    assert (tmp_path / "file").read_bytes() == DATA


def test_a_spliced_file_may_start_again(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "file", len(DATA), DIGESTS)
    with pytest.raises(ValueError, match="bytes to come"):
        receive(sink, b"x" * 9 * limits.MIB, spliced=True)
    sink.restart()
    receive(sink, DATA, spliced=True)
    sink.finish("test")
    sink.close()
    assert (tmp_path / "file").read_bytes() == DATA


def test_a_full_disk_is_not_the_fault_of_the_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forbidding("into", monkeypatch, errno.ENOSPC, after=2)
    sink = FileSink(tmp_path / "file", len(DATA), DIGESTS)
    with pytest.raises(OutputError, match="No space left"):
        receive(sink, DATA, spliced=True)
    sink.close()


def test_a_file_that_is_cut_off_by_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.preadv

    def preadv(fd: int, buffers: list[memoryview], offset: int) -> int:
        os.truncate(tmp_path / "file", 1000)
        return real(fd, buffers, offset)

    monkeypatch.setattr(os, "preadv", preadv)
    sink = FileSink(tmp_path / "file", len(DATA), DIGESTS)
    receive(sink, DATA, spliced=True)
    with pytest.raises(CorruptFileError):
        sink.finish("test")
    sink.close()


def test_descriptors_of_a_spliced_file_are_closed(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    sink = FileSink(tmp_path / "file", len(DATA), DIGESTS)
    receive(sink, DATA, spliced=True)
    sink.close()
    assert len(os.listdir("/proc/self/fd")) == before
