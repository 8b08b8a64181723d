"""The scan that is made while Portage is read counts only for the PKGDIR that Portage says."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from portage_ext.pkgdir import walk
from portage_ext.tasks import indexing
from tests.testkit import binpkgs
from tests.testkit.compiled import compiled
from tests.unit.pkgdir.engine import Engine

PATH = "app-misc/p/p-1-1.gpkg.tar"


@pytest.mark.parametrize("guess", ["binpkgs", "other", "missing"])
def test_a_wrong_guess_of_pkgdir_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guess: str) -> None:
    engine = Engine.create(tmp_path)
    package = binpkgs.gpkg(binpkgs.metadata("app-misc/p-1"))
    binpkgs.put(engine.pkgdir, PATH, package)
    binpkgs.put(tmp_path / "other", "app-misc/q/q-1-1.gpkg.tar", package)
    module = compiled("portage_ext.pkgdir._tree")
    monkeypatch.setattr(walk, "_compiled", lambda: module)
    monkeypatch.setattr(indexing, "likely_pkgdir", lambda: tmp_path / guess)

    def settings(pkgdir: Path | None, *, anything: bool) -> SimpleNamespace:
        return SimpleNamespace(pkgdir=engine.pkgdir)

    monkeypatch.setattr(indexing, "pkgdir_settings", settings)
    monkeypatch.setattr(indexing, "repository_of", lambda found: engine.repository)
    done = indexing.reindex(jobs=1)
    assert (done.pkgdir, done.report.added) == (engine.pkgdir, (PATH,))
    assert engine.paths() == [PATH]
