"""Fixtures over the test kit. What is expensive is built once and only read; what changes is each test's own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.publish import site
from tests.system.publish.site import Host
from tests.testkit import binhost as kit
from tests.testkit import environments, httpd
from tests.testkit.binhost import Binhost
from tests.testkit.environments import Environment
from tests.testkit.httpd import Server
from tests.testkit.roots import Root


@pytest.fixture(scope="session")
def binhost() -> Binhost:
    """The standard signing binhost. Read only."""
    return kit.standard()


@pytest.fixture(scope="session")
def signed(binhost: Binhost) -> Iterator[Host]:
    """The standard binhost with packages signed by `portage-ext sign`. Read only."""
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        Path(name).chmod(0o755)
        yield site.signed(Path(name), binhost)


@pytest.fixture
def server(binhost: Binhost) -> Iterator[Server]:
    """The binhost on loopback, with its own log of requests."""
    with httpd.serve(binhost.pkgdir) as running:
        yield running


@pytest.fixture(scope="session")
def plain() -> Environment:
    """Portage alone."""
    return environments.environment(plugin=False)


@pytest.fixture
def client(work: Path, binhost: Binhost, server: Server) -> Root:
    """A verifying client with the plugin and one binrepo, getbinpkg off."""
    return kit.client(work / "client", binhost, {"tinybin": server.url})


@pytest.fixture
def new_client(work: Path, binhost: Binhost, server: Server) -> Callable[..., Root]:
    """Makes clients: ``new_client(name, **as kit.client)``."""

    def make(name: str = "client", **arguments: Any) -> Root:
        return kit.client(work / name, binhost, {"tinybin": server.url}, **arguments)

    return make
