"""Over https, a certificate says who asks; whoever has none, or takes too much or too long, is refused. Others are served."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from portage_ext.asking import over_https, protocol
from portage_ext.asking.following import follow
from portage_ext.asking.over_https import Link, UnknownServerError
from portage_ext.asking.protocol import Standing, Wanted
from portage_ext.asking.service import Service
from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.config.asking import Asking, Client, Door
from portage_ext.door import certificates
from portage_ext.door.certificates import Register
from portage_ext.door.desk import Desk
from portage_ext.door.listening import Listener
from portage_ext.door.requests import Requests
from portage_ext.errors.asking import DoorError, RefusedRequestError, ServiceError
from portage_ext.limits import builds as limits
from portage_ext.targets.store import Store
from tests.testkit.certificates import COMMAND, new_certificate

NOTE = Wanted("app-misc/note-1", "0/0", "tiny", {"foo": "on"})
HELLO = protocol.emit({"id": 1, "do": "hello"})


@dataclass
class Served:
    """A service on loopback for the clients laptop and desktop; ``said`` is what it logged."""

    root: Path
    port: int = 0
    fingerprint: str = ""
    said: list[str] = field(default_factory=list)

    def configure(self, *clients: str, more: str = "") -> None:
        text = "".join(
            f'[client.{name}]\ntargets = ["{name}"]\ncertificate = "{self.root}/{name}.pem"\n{more}' for name in clients
        )
        path = self.root / "etc/portage/portage-ext.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def asking(self, name: str = "laptop", **changed: Any) -> Asking:
        mine, key = self.root / f"{name}.pem", self.root / f"{name}.key"
        where = f"https://127.0.0.1:{self.port}"
        made = Asking(where, "laptop", name, "127.0.0.1", self.port, (), 20.0, 60.0, str(mine), str(key), self.fingerprint)
        return replace(made, **changed)

    @contextlib.contextmanager
    def link(self, name: str = "laptop") -> Iterator[Link]:
        one = self.asking(name)
        with contextlib.closing(Link(one.host, self.port, self.context(name), self.fingerprint)) as made:
            yield made

    def context(self, name: str = "laptop") -> ssl.SSLContext:
        return over_https.context(str(self.root / f"{name}.pem"), str(self.root / f"{name}.key"), self.fingerprint)

    @contextlib.contextmanager
    def connection(self, context: ssl.SSLContext | None = None) -> Iterator[ssl.SSLSocket]:
        """A TLS connection, below HTTP."""
        with socket.create_connection(("127.0.0.1", self.port), 20) as plain:
            with (context or self.context()).wrap_socket(plain) as made:
                yield made

    def hello(self, link: Link) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(link.ask(HELLO))
        return answer


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the certificates of the service and of three clients. Read only."""
    root = tmp_path_factory.mktemp("certified")
    for name in ("laptop", "desktop", "stranger"):
        new_certificate(root, name)
    certificates.make(root)
    return root


@pytest.fixture
def served(certified: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    # Where the program of the client finds portage_ext, which need not be installed here.
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    yield from serving(certified, tmp_path)


def serving(certified: Path, root: Path, own: tuple[Path, Path] | None = None) -> Iterator[Served]:
    shutil.copytree(certified, root, dirs_exist_ok=True)
    store = Store(root)
    store.directory.mkdir(parents=True)
    (store.directory / "laptop").symlink_to("laptop.d/1")
    made = Served(root)
    made.configure("laptop", "desktop")
    made.fingerprint = certificates.make(root)
    if own is not None:
        own[0].rename(root / certificates.DIRECTORY / "cert.pem")
        own[1].rename(root / certificates.DIRECTORY / "key.pem")
        made.fingerprint = ""

    @contextlib.contextmanager
    def desk(client: Client) -> Iterator[Desk]:
        ledger = Ledger(root / "ledger.sqlite")
        requests = Requests(root / "ledger.sqlite")
        try:
            yield Desk(client, requests, ledger, store, lambda: None)
        finally:
            requests.close()
            ledger.close()

    with Listener(Door("127.0.0.1", 0), Register(root, root), desk, made.said.append) as server:
        made.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield made
        server.shutdown()
        thread.join()


def closes(connection: socket.socket) -> bool:
    """Whether the other side ends the connection; a time-out says that it does not."""
    try:
        return connection.recv(1) == b""
    except (ConnectionResetError, ssl.SSLEOFError):
        return True


def test_a_client_asks_over_https_as_over_ssh_and_for_its_own_targets_alone(served: Served) -> None:
    with Service(served.asking()) as service:
        assert service.do("hello") | {"version": ""} == {"version": "", "client": "laptop", "targets": ["laptop"]}
        assert [one.state for one in service.request([NOTE], "person")] == ["accepted"]
        assert [one.cpv for one in service.state()] == [NOTE.cpv]
        served.configure("laptop", "desktop", more="queued = 1\n")  # counts at once
        with pytest.raises(RefusedRequestError, match="has 1 package that are not built yet"):
            service.request([replace(NOTE, slot="1")], "person")
    with Service(served.asking("desktop")) as service, pytest.raises(RefusedRequestError, match="client desktop may not ask"):
        service.state()
    assert served.said == []


def test_whose_certificate_is_not_named_is_refused_by_name_and_not_absent(served: Served) -> None:
    with pytest.raises(RefusedRequestError, match=r"does not accept .*stranger\.pem, .*unknown ca"):
        Service(served.asking("stranger")).__enter__()
    # The client may see the end of the connection before the service has logged it.
    deadline = time.monotonic() + 60
    while not served.said and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "nobody has named its certificate" in served.said[0]
    # A certificate that a client's key has signed gets through the handshake, and no further.
    signed = ("-CA", str(served.root / "laptop.pem"), "-CAkey", str(served.root / "laptop.key"))
    new_certificate(served.root, "child", *signed)
    with served.link("child") as link:
        assert served.hello(link)["refused"] == "certificate"
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    nobody.check_hostname, nobody.verify_mode = False, ssl.CERT_NONE
    with pytest.raises(ssl.SSLError, match=r"CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE"), served.connection(nobody) as connection:
        connection.recv(1)


def test_a_client_that_is_taken_off_the_list_is_refused_in_the_middle_of_its_connection(served: Served) -> None:
    with served.link() as link:
        assert served.hello(link)["ok"]["client"] == "laptop"
        served.configure("desktop")
        assert served.hello(link)["refused"] == "certificate"


def test_another_server_is_told_nothing(served: Served) -> None:
    with pytest.raises(ServiceError, match=f"cannot be reached: its certificate has the fingerprint {served.fingerprint}"):
        Service(served.asking(server="ab" * 32)).__enter__()
    with pytest.raises(UnknownServerError):
        Link("127.0.0.1", served.port, served.context(), "ab" * 32).ask(HELLO)
    # Nobody knows its authority.
    with pytest.raises(ServiceError, match=r"its certificate is not trusted \(self.signed certificate\)"):
        Service(served.asking(server="")).__enter__()
    assert not (served.root / "ledger.sqlite").exists()


def test_an_authority_of_the_system_can_vouch_instead_of_a_fingerprint(
    certified: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = new_certificate(tmp_path, "own", "-addext", "subjectAltName=IP:127.0.0.1")
    authority = tmp_path / "authority.pem"
    authority.write_bytes(own[0].read_bytes())
    for served in serving(certified, tmp_path, own):
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        with served.link() as link:
            assert served.hello(link)["ok"]["client"] == "laptop"
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "laptop.pem"))
        with pytest.raises(ssl.SSLCertVerificationError), served.link() as link:
            link.ask(HELLO)


@pytest.mark.parametrize(
    ("head", "status", "why"),
    [
        (f"POST /ask HTTP/1.1\r\nContent-Length: {limits.ASK_LINE + 1}\r\n\r\n", 413, "longer than"),
        ("POST /ask HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411, "no Content-Length"),
        ("POST /ask HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 411, "no Content-Length"),
        ("POST /other HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 404, "there is only /ask"),
        ("GET /ask HTTP/1.1\r\n\r\n", 501, "Unsupported method"),
        ("POST /" + "a" * 70_000 + " HTTP/1.1\r\n\r\n", 414, "Too Long"),
        ("POST /ask HTTP/1.1\r\nContent-Length: 3\r\n\r\n{}\n", 200, "it has no number|its format is"),
    ],
)
def test_what_is_no_request_is_refused_by_name(served: Served, head: str, status: int, why: str) -> None:
    with served.connection() as connection:
        connection.sendall(head.encode())
        with connection.makefile("rb") as answer:
            assert f" {status} " in answer.readline().decode()
            while answer.readline().strip():
                pass
            told = json.loads(answer.readline())
    assert told["refused"] == "message"
    assert any(part in told["why"] for part in why.split("|")), told


def test_who_is_slow_or_silent_is_cut_off_and_others_are_served(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    # The bounds are those of a test that wants to end; everything else is as it is.
    with monkeypatch.context() as short:
        short.setattr(limits, "DOOR_REQUEST", 0.3)
        short.setattr(limits, "DOOR_LINGER", 0.1)
        with served.connection() as drop:
            until = time.monotonic() + 20
            with contextlib.suppress(OSError):  # the drops arrive nowhere any more
                for one in b"POST /ask HTTP/1.1\r\n" + b"a: b\r\n" * 1000:
                    drop.sendall(bytes([one]))
                    time.sleep(0.02)
                    assert time.monotonic() < until, "it reads drop by drop for ever"
            assert closes(drop)
        short.setattr(limits, "DOOR_HANDSHAKE", 0.3)
        with socket.create_connection(("127.0.0.1", served.port), 20) as silent:
            assert closes(silent)
    with served.link() as link:
        assert served.hello(link)["ok"]["client"] == "laptop"


def test_the_connections_of_one_client_and_of_all_are_counted(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DOOR_CLIENT", 2)
    monkeypatch.setattr(limits, "DOOR_CONNECTIONS", 4)
    monkeypatch.setattr(limits, "DOOR_LINGER", 0.1)
    monkeypatch.setattr(limits, "DOOR_HANDSHAKE", 100.0)
    with contextlib.ExitStack() as stack:
        links = [stack.enter_context(served.link(name)) for name in ("laptop", "laptop", "desktop")]
        assert [served.hello(one)["ok"]["client"] for one in links] == ["laptop", "laptop", "desktop"]
        with socket.create_connection(("127.0.0.1", served.port), 20):
            with socket.create_connection(("127.0.0.1", served.port), 20) as fifth:
                assert closes(fifth)
        refused = once_there_is_room(served)
        assert (refused["refused"], "client laptop has 2 connections" in refused["why"]) == ("rate", True)
    until = time.monotonic() + 20
    while "ok" not in once_there_is_room(served):
        assert time.monotonic() < until, "connections that have ended still count"


def once_there_is_room(served: Served) -> dict[str, Any]:
    """What the client laptop is answered on a further connection."""
    until = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError), served.link() as link:
            return served.hello(link)
        assert time.monotonic() < until, "there is no room"


def test_a_service_that_hangs_holds_a_client_no_longer_than_its_deadline(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, goes_on, answer = threading.Event(), threading.Event(), Desk.answer

    def hanging(desk: Desk, message: dict[str, Any]) -> dict[str, Any]:
        if message["do"] == protocol.STATE:
            asked.set()
            goes_on.wait(100)
        return answer(desk, message)

    # As a ledger on a disk that hangs.
    monkeypatch.setattr(Desk, "answer", hanging)
    known = [Standing(NOTE.cpv, "queued")]
    try:
        # A busy machine may need longer to get as far as the question.
        for deadline in (0.5, 2, 10):
            began = time.monotonic()
            assert follow(served.asking(), known, lambda found: None, deadline=deadline) == known
            assert time.monotonic() - began < deadline + 18
            if asked.is_set():
                break
        assert asked.is_set()
    finally:
        goes_on.set()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda root: (root / "laptop.pem").unlink(), r"laptop\.pem cannot be read"),
        (lambda root: (root / "laptop.pem").write_text("a key\n"), r"laptop\.pem has no certificate"),
        (lambda root: (root / "laptop.pem").write_bytes((root / "desktop.pem").read_bytes()), "have the same certificate"),
        (lambda root: (root / certificates.DIRECTORY / "key.pem").unlink(), "door --setup"),
    ],
)
def test_a_list_that_cannot_be_read_is_named_and_lets_nobody_in(
    served: Served, spoil: Callable[[Path], None], why: str
) -> None:
    spoil(served.root)
    with pytest.raises(DoorError, match=why):
        Register(served.root, served.root).now()
    with pytest.raises(OSError), served.connection() as connection:  # noqa: PT011 - how it ends is the kernel's choice
        assert connection.recv(1) != b"", "closed"


def test_the_document_has_the_command_that_makes_a_certificate() -> None:
    assert COMMAND in (Path(__file__).parents[3] / "docs/asking.md").read_text()
