"""Answers and addresses that are none: each is a named error of that mirror, no traceback, and the next mirror is asked."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portage_ext.errors import OutputError, RequestError
from portage_ext.errors.trust import AllMirrorsFailedError, MirrorError, TransferError, TrustError, UnsupportedUrlError
from portage_ext.fetch.direct import DirectTransport, suits
from portage_ext.fetch.http import HttpTransport
from portage_ext.fetch.mirrors import Mirrors, Transports
from portage_ext.fetch.sinks import FileSink, MemorySink
from portage_ext.fetch.ssh import SshTransport
from portage_ext.fetch.transfer import Patience, Transfer, Transport
from tests.testkit import hostile
from tests.testkit.hostile import Hostile

DATA = b"0123456789" * 1000
PATIENCE = Patience(60, 1024, 60)
OK = b"HTTP/1.1 200 OK\r\n"

ANSWERS = {
    "location-bracket": b"HTTP/1.1 302 x\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n",
    "location-no-address": b"HTTP/1.1 302 x\r\nLocation: //[x]/\r\nContent-Length: 0\r\n\r\n",
    "location-port": b"HTTP/1.1 302 x\r\nLocation: http://h:99999/\r\nContent-Length: 0\r\n\r\n",
    "location-no-host": b"HTTP/1.1 302 x\r\nLocation: http:///x\r\nContent-Length: 0\r\n\r\n",
    "location-letters": b"HTTP/1.1 302 x\r\nLocation: http://h:port/\r\nContent-Length: 0\r\n\r\n",
    "location-empty": b"HTTP/1.1 302 x\r\nLocation: \r\nContent-Length: 0\r\n\r\n",
    "location-latin": b"HTTP/1.1 302 x\r\nLocation: http://b\xfccher..invalid/\xff\r\nContent-Length: 0\r\n\r\n",
    "location-long-label": b"HTTP/1.1 302 x\r\nLocation: http://" + b"a" * 70 + b".invalid/\r\nContent-Length: 0\r\n\r\n",
    "location-nfkc": "HTTP/1.1 302 x\r\nLocation: http://h℀x/\r\nContent-Length: 0\r\n\r\n".encode(),
    "location-control": b"HTTP/1.1 302 x\r\nLocation: http://h\x00\x1b[31m/\r\nContent-Length: 0\r\n\r\n",
    "location-user": b"HTTP/1.1 302 x\r\nLocation: http://u:\xe2\x82\xac@127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "length-negative": OK + b"Content-Length: -1\r\n\r\nabc",
    "length-twice": OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "length-list": OK + b"Content-Length: 3, 4\r\n\r\nabc",
    "length-huge": OK + b"Content-Length: " + b"9" * 4400 + b"\r\n\r\nabc",
    "length-arabic": OK + "Content-Length: ٣\r\n\r\nabc".encode(),
    "length-superscript": OK + "Content-Length: ²\r\n\r\nabc".encode(),
    "chunk-no-size": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
    "chunk-negative": OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n",
    "chunk-huge": OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 5000 + b"\r\nabc\r\n",
    "chunk-long-line": OK + b"Transfer-Encoding: chunked\r\n\r\n3;" + b"x" * 100_000 + b"\r\nabc\r\n",
    "chunk-broken-off": OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\nabc",
    "chunk-trailer": OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 1000,
    "chunked-twice": OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n3\r\nabc\r\n",
    "gzip-none": OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    "header-huge": OK + b"X: " + b"x" * 200_000 + b"\r\n\r\n",
    "header-many": OK + b"X: y\r\n" * 20_000 + b"\r\n",
    "header-garbage": OK + b"\x00\xff\x1b[31m\r\n: :\r\n\r\n",
    "header-folded": OK + b" folded\r\n\tmore\r\n\r\n",
    "cookies": OK + b"Set-Cookie: " + b"a=b; expires=" + b"1-" * 5000 + b"\r\nContent-Length: 3\r\n\r\nabc",
    "http-0.9": b"<html>a page</html>",
    "status-none": b"HTTP/1.1\r\n\r\n",
    "status-letters": b"HTTP/1.1 abc OK\r\n\r\n",
    "status-huge": b"HTTP/1.1 " + b"2" * 5000 + b" OK\r\n\r\n",
    "status-superscript": "HTTP/1.1 ²00 OK\r\n\r\n".encode(),
    "status-999": b"HTTP/1.1 999 \x1b[31mred\x07\r\n\r\n",
    "status-206": b"HTTP/1.1 206 x\r\nContent-Range: bytes " + b"9" * 4400 + b"-1/*\r\n\r\nabc",
    "status-204": b"HTTP/1.1 204 x\r\n\r\n",
    "status-304": b"HTTP/1.1 304 x\r\n\r\n",
    "status-continues": b"HTTP/1.1 100 Continue\r\n\r\n" * 50 + b"HTTP/1.1 500 x\r\n\r\n",
    "switching": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "nothing": b"",
    "escape-in-reason": b"HTTP/1.1 503 \x1b]0;owned\x07\xc2\x9b2J\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}

ADDRESSES = [
    "http://[::1",
    "http://[x]/",
    "http://h:99999",
    "http://h:-1",
    "http://h:port",
    "http://",
    "http:///path",
    "http://:80",
    "http://user@",
    "http://me:s3cret/x@h",
    "http://me:s3cr\u20act@127.0.0.1:1",
    "http://h\u2100x",
    "http://b\u00fccher..invalid",
    "http://" + "a" * 70 + ".invalid",
    "http://h\x00st",
    "http://h\x1b[31mst",
    "http://%zz",
    "http://h%00st",
    "https://[::1",
    "ssh://h:99999",
    "ssh://h:port",
    "ssh://[::1",
    "ssh://",
    "ssh://-oProxyCommand=x",
    "ssh://127.0.0.1:1/%00",
    "ftp://me:s3cret@h",
    "file:///etc",
    "//h",
    "",
]


@contextlib.contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that reads a request and sends these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection, contextlib.suppress(OSError):
                        connection.recv(65536)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def good(tmp_path: Path) -> Iterator[Hostile]:
    (tmp_path / "file").write_bytes(DATA)
    with hostile.serve(tmp_path) as made:
        yield made


def sound(error: TrustError) -> None:
    """A terminal obeys nothing of it, it is of bounded length, and it keeps the password."""
    assert str(error).isprintable()
    assert len(str(error)) < 1000
    assert "s3cr" not in str(error)


@pytest.mark.parametrize("made", [HttpTransport, DirectTransport], ids=["requests", "direct"])
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_that_is_none_is_a_named_error_or_few_bytes(made: Callable[[], Transport], answer: bytes) -> None:
    transport, sink = made(), MemorySink()
    with answering(answer) as url:
        try:
            transport.run(Transfer(f"{url}/file", len(DATA), sink.write, sink.restart), PATIENCE)
        except TransferError as error:
            sound(error)
        else:
            assert len(sink.data) < 16  # whoever knows size or digests refuses it
    transport.close()


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_the_next_mirror_is_asked_after_an_answer_that_is_none(answer: bytes, good: Hostile, tmp_path: Path) -> None:
    failures: list[TrustError] = []
    with answering(answer) as url, contextlib.closing(Transports()) as transports:
        mirrors = Mirrors((url, good.url), transports, PATIENCE, 0, 0, failures.append)
        sink = FileSink(tmp_path / "out", len(DATA), {})
        assert mirrors.fetch("file", len(DATA), sink, 0, DirectTransport()) == good.url
        sink.close()
    assert (tmp_path / "out").read_bytes() == DATA
    assert failures
    for error in failures:
        sound(error)


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_next_mirror_is_asked_after_an_address_that_is_none(address: str, good: Hostile) -> None:
    failures: list[TrustError] = []
    sink = MemorySink()
    with contextlib.closing(Transports()) as transports:
        mirrors = Mirrors((address, good.url), transports, PATIENCE, 0, 0, failures.append)
        first = DirectTransport() if suits(f"{address}/file", 0) else None
        assert mirrors.fetch("file", len(DATA), sink, 0, first) == good.url
    assert sink.data == DATA
    assert failures
    for error in failures:
        assert isinstance(error, MirrorError)
        sound(error)


def test_an_address_that_is_none_is_not_asked_twice(good: Hostile) -> None:
    with contextlib.closing(Transports()) as transports, pytest.raises(AllMirrorsFailedError) as failed:
        Mirrors(("http://[::1", "ssh://h:99999"), transports, PATIENCE, 3, 100).fetch("file", 1, MemorySink())
    assert [type(one) for one in failed.value.reasons] == [UnsupportedUrlError] * 2


def test_a_mirror_gives_no_cookies(good: Hostile) -> None:
    asked: list[str] = []

    def giving(handler: hostile.Handler) -> None:
        asked.append(handler.headers.get("Cookie", ""))
        handler.send_response(200)
        handler.send_header("Set-Cookie", "tracked=1; Path=/")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    good.answers["/given"] = giving
    transport = HttpTransport()
    for _ in range(2):
        transport.run(Transfer(f"{good.url}/given", 1, lambda block: None, lambda: None), PATIENCE)
    transport.close()
    assert asked == ["", ""]


def test_a_full_disk_is_no_fault_of_the_mirror(good: Hostile) -> None:
    """It used to be one, and every other mirror was asked for bytes that could not be written either."""
    sink = FileSink(Path("/dev/full"), len(DATA), {})
    with contextlib.closing(Transports()) as transports, pytest.raises(OutputError, match="No space left"):
        Mirrors((good.url, "http://[::1"), transports, PATIENCE).fetch("file", len(DATA), sink)
    sink.close()
    assert good.requests == ["/file"]


def test_ssh_that_is_not_there_is_a_mirror_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MirrorError, match="cannot be run"):
        SshTransport("").run(Transfer("ssh://h/x", 1, lambda block: None, lambda: None), PATIENCE)


def test_options_for_ssh_that_cannot_be_taken_apart_are_the_administrators() -> None:
    with pytest.raises(RequestError, match="PORTAGE_SSH_OPTS"):
        SshTransport("-o 'half")


@pytest.fixture
def saying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a script in the place of ssh: what the other side says arrives as ssh would hand it on."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def write(script: str) -> None:
        (tmp_path / "ssh").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "ssh").chmod(0o755)

    return write


def test_what_the_other_side_of_ssh_says_reaches_no_terminal(
    saying: Callable[[str], None], capfd: pytest.CaptureFixture[str]
) -> None:
    saying(r"printf '\033]0;owned\007first\n\033[31mlast words\n' >&2; exit 1")
    with pytest.raises(MirrorError) as failed:
        SshTransport("").run(Transfer("ssh://h/x", 1, lambda block: None, lambda: None), PATIENCE)
    sound(failed.value)
    assert "last words" in str(failed.value)
    assert capfd.readouterr() == ("", "")


def test_a_flood_of_words_does_not_keep_a_file_from_coming(saying: Callable[[str], None]) -> None:
    saying("head -c 1000000 /dev/zero >&2; printf abc; exec 2>&-; exit 0")
    sink = MemorySink()
    SshTransport("").run(Transfer("ssh://h/x", 3, sink.write, sink.restart), PATIENCE)
    assert sink.data == b"abc"
