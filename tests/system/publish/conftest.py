"""Fixtures: a host that has signed its packages, and the web server over its tree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.publish import site
from tests.system.publish.site import Host
from tests.testkit import httpd, keys
from tests.testkit.httpd import Server


@pytest.fixture
def host(work: Path, signed: Host) -> Iterator[Host]:
    """A publishing host of its own."""
    made = site.host(work, signed)
    yield made
    keys.kill_agents(made.key.home)


@pytest.fixture
def web(host: Host) -> Iterator[Server]:
    """The tree on loopback."""
    host.tree.mkdir(exist_ok=True)
    with httpd.serve(host.tree) as server:
        yield server
