from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.pkgdir.engine import Engine


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine.create(tmp_path)
