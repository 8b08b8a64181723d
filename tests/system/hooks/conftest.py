"""Fixtures: a publishing host and its web server, as the tests of publishing have them; a key of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.publish.conftest import host, web
from tests.testkit import keys
from tests.testkit.keys import SigningKey

__all__ = ["host", "key", "web"]


@pytest.fixture
def key(work: Path) -> Iterator[SigningKey]:
    made = keys.new_key(work / "key")
    try:
        yield made
    finally:
        keys.kill_agents(made.home)
