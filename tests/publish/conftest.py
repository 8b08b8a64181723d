"""Fixtures: a host that has signed its packages, and the web server over its tree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.publish import site
from tests.publish.site import Host
from tests.testkit import httpd, keys
from tests.testkit.binhost import Binhost
from tests.testkit.httpd import Server


@pytest.fixture
def host(work: Path, binhost: Binhost) -> Iterator[Host]:
    """A publishing host of its own."""
    key = keys.new_key(work / "key")
    try:
        yield site.host(work, binhost, key)
    finally:
        keys.kill_agents(key.home)


@pytest.fixture
def web(host: Host) -> Iterator[Server]:
    """The tree on loopback."""
    host.tree.mkdir(exist_ok=True)
    with httpd.serve(host.tree) as server:
        yield server
