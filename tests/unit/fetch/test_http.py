"""HTTP by both ways, against a real server: resume, reuse, proxies, redirects, and answers that are none."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.errors.trust import MirrorError, NotFoundError, OversizedFileError, SlowMirrorError
from portage_ext.fetch import direct
from portage_ext.fetch.direct import DirectTransport
from portage_ext.fetch.http import HttpTransport
from portage_ext.fetch.sinks import MemorySink
from portage_ext.fetch.transfer import Patience, Transfer, Transport, without_password
from tests.testkit import hostile
from tests.testkit.hostile import Handler, Hostile

DATA = bytes(range(256)) * 1000
PATIENCE = Patience(60, 1024, 60)
SHORT = Patience(60, 1024, 0.5)
"""For mirrors that are slow for ever: of the two bounds this one strikes first, however busy the machine is."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Hostile]:
    (tmp_path / "file").write_bytes(DATA)
    with hostile.serve(tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
def no_proxy_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=[HttpTransport, DirectTransport], ids=["requests", "direct"])
def transport(request: pytest.FixtureRequest) -> Iterator[Transport]:
    made: Transport = request.param()
    yield made
    made.close()


def transfer(url: str, sink: MemorySink, limit: int = len(DATA), offset: int = 0) -> Transfer:
    return Transfer(url, limit, sink.write, sink.restart, offset)


def test_a_file_comes_whole(transport: Transport, server: Hostile) -> None:
    sink = MemorySink()
    transport.run(transfer(f"{server.url}/file", sink), PATIENCE)
    assert sink.data == DATA


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (hostile.status(404), MirrorError),
        (hostile.status(500), MirrorError),
        (hostile.announcing(10**9), OversizedFileError),
        (hostile.broken_off(DATA), MirrorError),
        (hostile.drip(DATA, 0.2), SlowMirrorError),
        (hostile.silent(20), SlowMirrorError),
    ],
    ids=["404", "500", "announcing", "broken-off", "drip", "silent"],
)
def test_a_failure_has_its_name(
    transport: Transport, server: Hostile, answer: Callable[[Handler], None], error: type[MirrorError]
) -> None:
    server.answers["/file"] = answer
    sink = MemorySink()
    with pytest.raises(error):
        transport.run(transfer(f"{server.url}/file", sink), SHORT if error is SlowMirrorError else PATIENCE)
    assert DATA.startswith(sink.data)


def test_the_first_byte_too_many_ends_it(server: Hostile) -> None:
    server.answers["/file"] = hostile.endless(DATA)
    sink = MemorySink()
    with pytest.raises(OversizedFileError):
        HttpTransport().run(transfer(f"{server.url}/file", sink), PATIENCE)
    assert DATA.startswith(sink.data)


def test_a_closed_port_is_a_mirror_error(transport: Transport, port: int) -> None:
    with pytest.raises(MirrorError):
        transport.run(transfer(f"http://127.0.0.1:{port}/file", MemorySink()), PATIENCE)


def ranges(handler: Handler) -> None:
    """A server that knows Range, as nginx does."""
    match = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    start = int(match[1]) if match else 0
    handler.send_response(206 if match else 200)
    if match:
        handler.send_header("Content-Range", f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
    handler.send_header("Content-Length", str(len(DATA) - start))
    handler.end_headers()
    handler.wfile.write(DATA[start:])


def test_a_transfer_is_continued_where_it_stopped(server: Hostile) -> None:
    server.answers["/file"] = ranges
    sink = MemorySink()
    sink.write(DATA[:1000])
    HttpTransport().run(transfer(f"{server.url}/file", sink, offset=1000), PATIENCE)
    assert sink.data == DATA


def test_a_server_that_cannot_continue_begins_anew(server: Hostile) -> None:
    sink = MemorySink()
    sink.write(b"x" * 1000)
    HttpTransport().run(transfer(f"{server.url}/file", sink, offset=1000), PATIENCE)
    assert sink.data == DATA


def test_a_range_that_was_not_asked_for_is_refused(server: Hostile) -> None:
    def lying(handler: Handler) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", "bytes 7-9/10")
        handler.end_headers()
        handler.wfile.write(b"abc")

    server.answers["/file"] = lying
    sink = MemorySink()
    with pytest.raises(MirrorError, match="continues at"):
        HttpTransport().run(transfer(f"{server.url}/file", sink, offset=5), PATIENCE)
    assert sink.data == b""


def redirecting(target: str) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def test_redirects_are_followed_a_few_times(server: Hostile) -> None:
    server.answers["/moved"] = redirecting("/file")
    sink = MemorySink()
    HttpTransport().run(transfer(f"{server.url}/moved", sink), PATIENCE)
    assert sink.data == DATA
    server.answers["/circle"] = redirecting("/circle")
    with pytest.raises(MirrorError, match="more than"):
        HttpTransport().run(transfer(f"{server.url}/circle", MemorySink()), PATIENCE)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/"])
def test_a_redirect_to_another_scheme_is_refused(server: Hostile, target: str) -> None:
    server.answers["/moved"] = redirecting(target)
    with pytest.raises(MirrorError, match="weaker"):
        HttpTransport().run(transfer(f"{server.url}/moved", MemorySink()), PATIENCE)


def test_a_proxy_of_the_environment_is_asked(server: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    assert not direct.suits("http://binhost.invalid/file", 0)
    server.answers["http://binhost.invalid/file"] = ranges
    sink = MemorySink()
    HttpTransport().run(transfer("http://binhost.invalid/file", sink), PATIENCE)
    assert sink.data == DATA


def test_a_connection_is_used_again(tmp_path: Path) -> None:
    accepted = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    accepted.append(connection)
                    threading.Thread(target=answer, args=(connection,), daemon=True).start()

        def answer(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                while connection.recv(65536):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        transport = HttpTransport()
        for name in ("a", "b", "c"):
            sink = MemorySink()
            transport.run(transfer(url + name, sink), PATIENCE)
            assert sink.data == b"ok"
        transport.close()
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    assert len(accepted) == 1


def test_a_password_is_not_shown() -> None:
    assert without_password("https://me:secret@host/x") == "https://me:*@host/x"
    assert without_password("https://me@host/x") == "https://me@host/x"
    assert without_password("https://host/x:y@z") == "https://host/x:y@z"


heads = st.sampled_from(
    ["HTTP/1.1 200 OK", "HTTP/1.0 200", "HTTP/1.1 206 x", "HTTP/2 200", "", "HTTP/1.1 200 OK\x00", "HTTP/1.1 2000 OK"]
)
fields = st.lists(
    st.sampled_from(
        [
            "Content-Length: 5", "content-length:7", "Content-Length: -1", "Content-Length: ٣", "Transfer-Encoding: chunked",
            "Content-Encoding: gzip", "X: y", ":", "", "\x00",
        ]
    ),
    max_size=4,
)  # fmt: skip


@given(heads, fields)
def test_no_header_escapes_the_one_kind_of_answer(head: str, lines: list[str]) -> None:
    header = "\r\n".join([head, *lines]).encode()
    try:
        length = direct._length(header)
    except ValueError:
        return
    assert head.split()[1] == "200"
    assert length in (5, 7)
    assert not any("ncoding" in line for line in lines)


@pytest.mark.parametrize("url", ["http://h/a b", "http://h/a\r\nX: y", "http://h/é"])
def test_no_url_breaks_out_of_the_request(url: str) -> None:
    with pytest.raises(ValueError, match="encoded"):
        direct._request(url)


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_is_not_there_has_its_own_name(server: Hostile, status: int) -> None:
    server.answers["/file"] = hostile.status(status)
    with pytest.raises(NotFoundError):
        HttpTransport().run(transfer(f"{server.url}/file", MemorySink()), PATIENCE)
