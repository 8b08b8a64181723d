"""The lab of each test, and smaller ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.builds import lab as kit
from tests.system.builds.lab import Lab


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
