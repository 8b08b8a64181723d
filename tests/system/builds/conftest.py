"""The lab of each test, and smaller ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.builds import lab as kit
from tests.system.builds.lab import Lab
from tests.system.swarm.kit import ENGINES, building


@pytest.fixture
def lab(work: Path) -> Lab:
    if not kit.CAN:
        pytest.skip(kit.REASON)
    return kit.make(work, "v2", "v3")


@pytest.fixture
def small(work: Path) -> Lab:
    if not kit.CAN:
        pytest.skip(kit.REASON)
    return kit.make(work, "v2", libraries=False)


@pytest.fixture(params=ENGINES)
def each_lab(work: Path, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """As ``lab``, with each engine."""
    if not kit.CAN:
        pytest.skip(kit.REASON)
    made = kit.make(work, "v2", "v3")
    with building(made, request.param):
        yield made


@pytest.fixture(params=ENGINES)
def each_small(work: Path, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """As ``small``, with each engine."""
    if not kit.CAN:
        pytest.skip(kit.REASON)
    made = kit.make(work, "v2", libraries=False)
    with building(made, request.param):
        yield made
