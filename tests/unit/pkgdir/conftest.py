from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.gpkg import tar
from portage_ext.model import digest
from tests.testkit.compiled import compiled
from tests.unit.pkgdir.engine import Engine


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine.create(tmp_path)


@pytest.fixture(params=["one by one", "together", "compiled"])
def reading(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Packages are read in each of three ways, which must accept and refuse the same ones, for the same reasons."""
    monkeypatch.setattr(limits, "TOGETHER_FROM", 1_000_000 if request.param == "one by one" else 1)
    built = request.param == "compiled"
    module = compiled("portage_ext.model._lanes") if built else None
    usual = compiled("portage_ext.gpkg._usual") if built else None
    names = frozenset[str]() if module is None else frozenset(("MD5", "SHA1", "BLAKE2B", "SHA512"))
    monkeypatch.setattr(digest, "_lanes", lambda: (module, names))
    monkeypatch.setattr(digest, "_LANES_FROM", 1)
    monkeypatch.setattr(tar, "_compiled", lambda: usual)
