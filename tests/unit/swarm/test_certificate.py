"""Only the certificate whose fingerprint a token names is believed; made by openssl, asked for over real TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from portage_ext.errors.swarm import CertificateError, SwarmError
from portage_ext.swarm import certificate


@contextlib.contextmanager
def answering(directory: Path) -> Iterator[int]:
    """A TLS server with the certificate in ``directory``, for one connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError), server.accept()[0] as plain, context.wrap_socket(plain, server_side=True) as one:
                one.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_the_named_certificate_is_pinned_and_another_is_refused(tmp_path: Path) -> None:
    certificate.make(tmp_path)
    assert (tmp_path / "key.pem").stat().st_mode & 0o077 == 0
    before = (tmp_path / "cert.pem").read_text()
    certificate.make(tmp_path)
    assert (tmp_path / "cert.pem").read_text() == before
    fingerprint = certificate.fingerprint(tmp_path / "cert.pem")
    with answering(tmp_path) as port:
        pinned = certificate.fetch("127.0.0.1", port, fingerprint)
    assert ssl.PEM_cert_to_DER_cert(pinned) == ssl.PEM_cert_to_DER_cert(before)
    with answering(tmp_path) as port, pytest.raises(CertificateError, match="Somebody else answers there"):
        certificate.fetch("127.0.0.1", port, "ab" * 32)


def test_nobody_there_says_what_to_check() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(SwarmError, match=r"cannot reach the coordinator at 127\.0\.0\.1:.*coordinator run"):
            certificate.fetch("127.0.0.1", held.getsockname()[1], "ab" * 32)
