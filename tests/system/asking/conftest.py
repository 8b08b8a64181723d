"""The lab of each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.asking import lab as kit
from tests.system.asking.lab import Asking


@pytest.fixture
def lab(work: Path) -> Iterator[Asking]:
    if not kit.CAN:
        pytest.skip(kit.REASON)
    with kit.running(work) as made:
        yield made
