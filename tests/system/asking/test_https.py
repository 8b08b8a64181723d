"""Real emerge asks a real coordinator over TLS with its certificate: built, refused by name, and absent are three things."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.asking import lab as kit
from tests.system.asking.lab import Asking
from tests.system.asking.test_asking import NOTE, USER, said
from tests.testkit.certificates import new_certificate


@pytest.fixture
def secure(work: Path) -> Iterator[Asking]:
    if not kit.CAN:
        pytest.skip(kit.REASON)
    with kit.running(work, "https") as made:
        yield made


def test_a_client_asks_over_tls_waits_and_installs_in_one_emerge(secure: Asking) -> None:
    secure.lab.repository.data(f"{NOTE}-1", IUSE="foo")
    secure.lab.repository.data(f"{USER}-1")
    done = secure.client.emerge("--oneshot", NOTE).ok()
    assert f"{NOTE}-1 is built and published" in said(done), str(done)
    assert secure.client.merged() == {f"{NOTE}-1": "binary"}
    assert secure.states() == {f"{NOTE}-1": "published"}

    # It is refused: the certificate is nobody's, and emerge goes on at once.
    certificate, key = new_certificate(secure.lab.work, "stranger")
    secure.ask("wait", certificate=f'"{certificate}"', key=f'"{key}"')
    (line,) = said(secure.client.emerge("--oneshot", USER).ok())
    assert "refuses this: it does not accept" in line
    assert secure.client.merged() == {f"{NOTE}-1": "binary", f"{USER}-1": "ebuild"}

    # It is down.
    assert secure.service is not None
    secure.ask("wait", patience=2)
    secure.service.terminate()
    assert secure.service.wait(30) == 0
    (line,) = said(secure.client.emerge("--oneshot", USER).ok())
    assert line.startswith("emerge goes on without asking for builds: the build service https://127.0.0.1:")
    assert "cannot be reached: Connection refused" in line or "did not answer within 2 s" in line
