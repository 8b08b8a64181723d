"""An engine is a row of the table; what portage-ext.toml names and nobody has is told with what there is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from portage_ext.builds import engines
from portage_ext.builds.local import Local
from portage_ext.builds.means import means
from portage_ext.errors import UsageError
from portage_ext.tasks.site import Site
from tests.unit.builds.examples import job


def site(work: Path, name: str) -> Site:
    path = work / "etc/portage/portage-ext.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'[build]\nengine = "{name}"\nfree-mib = 0\n')
    return Site.read(work)


def test_the_local_engine_is_a_row(tmp_path: Path) -> None:
    with means(site(tmp_path, "local")) as its:
        assert isinstance(engines.engine(its), Local)


def test_an_engine_that_nobody_has_is_told(tmp_path: Path) -> None:
    with means(site(tmp_path, "nosuch")) as its, pytest.raises(UsageError, match=r"no engine 'nosuch'.*there is: local"):
        engines.engine(its)


def test_a_short_disk_takes_nothing_and_says_why(tmp_path: Path) -> None:
    with means(site(tmp_path, "local")) as its:
        building = replace(its.site.settings.building, free=2**62)
        short = replace(its, site=replace(its.site, settings=replace(its.site.settings, building=building)))
        its.ledger.request("ab" * 32, "laptop", job())
        engine = engines.engine(short)
        engine.work(None)
        assert its.ledger.queue() == ["ab" * 32]
        assert "free-mib of [build] wants" in engine.builders()[0].closed


def test_a_drained_engine_takes_nothing_and_says_why(tmp_path: Path) -> None:
    with means(site(tmp_path, "local")) as its:
        engine = engines.engine(its)
        engine.drain("the disk is changed")
        its.ledger.request("ab" * 32, "laptop", job())
        engine.work(None)
        assert its.ledger.queue() == ["ab" * 32]
        assert [one.closed for one in engine.builders()] == ["the disk is changed"]
        engine.drain("")
        assert [one.closed for one in engine.builders()] == [""]
