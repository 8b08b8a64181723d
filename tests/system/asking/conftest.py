"""The lab of each test, with each engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.asking import lab as kit
from tests.system.asking.lab import Asking
from tests.system.swarm.kit import ENGINES


@pytest.fixture(params=ENGINES)
def lab(work: Path, request: pytest.FixtureRequest) -> Iterator[Asking]:
    if not kit.CAN:
        pytest.skip(kit.REASON)
    with kit.running(work, engine=request.param) as made:
        yield made
