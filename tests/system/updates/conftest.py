"""Fixtures: a binhost that is kept by `portage-ext update`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.updates import fleet as kit
from tests.system.updates.fleet import Fleet
from tests.testkit import keys


@pytest.fixture
def fleet(work: Path) -> Iterator[Fleet]:
    key = keys.new_key(work / "key")
    try:
        yield kit.new(work, key)
    finally:
        keys.kill_agents(key.home)
