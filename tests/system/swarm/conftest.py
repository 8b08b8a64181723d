"""A swarm of each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.builds import lab as labs
from tests.system.swarm import kit
from tests.system.swarm.kit import Swarm


@pytest.fixture
def swarm(work: Path) -> Iterator[Swarm]:
    """One target, in which nothing is installed, and a coordinator without builders."""
    if not kit.CAN:
        pytest.skip(kit.REASON)
    with kit.running(labs.make(work, "v2", libraries=False)) as found:
        yield found
