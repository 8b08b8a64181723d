"""Readers of many packages return finished blocks; the index is the same as if every entry had come back alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.index.blocks import Block
from portage_ext.pkgdir import changes
from portage_ext.pkgdir.naming import expected_cpv
from portage_ext.pkgdir.reindex import Reindexer
from portage_ext.records import replace
from tests.testkit import binpkgs
from tests.unit.pkgdir.engine import Engine


def fill(engine: Engine, count: int) -> None:
    """Packages whose order by path is not that of their CPVs: with and without build id, in ``All``, twins."""
    for number in range(count):
        pn = f"p{number // 3:03}" + ("", "-x", "1")[number % 3]
        data = binpkgs.gpkg(binpkgs.metadata(f"app-misc/{pn}-1"))
        binpkgs.put(engine.pkgdir, f"app-misc/{pn}/{pn}-1-1.gpkg.tar", data)
        if number % 7 == 0:
            binpkgs.put(engine.pkgdir, f"app-misc/{pn}/{pn}-1-2.gpkg.tar", data)
        if number % 11 == 0:
            binpkgs.put(engine.pkgdir, f"All/{pn}-1.gpkg.tar", data)


def index(engine: Engine) -> bytes:
    return (engine.pkgdir / "Packages").read_bytes()


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few packages count as many."""
    monkeypatch.setattr(limits, "POOL_FROM", 8)
    monkeypatch.setattr(limits, "BATCH", 100)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The paths of each block that did not come from a reader."""
    seen: list[list[str]] = []
    make = changes.make_block

    def noted(rows: list[changes.Row], entries: list[bytes]) -> Block:
        seen.append([row.path for row in rows])
        return make(rows, entries)

    monkeypatch.setattr(changes, "make_block", noted)
    return seen


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_index_is_the_same_wherever_the_blocks_are_made(engine: Engine, monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    fill(engine, 150)
    alone = engine.run()
    expected = index(engine)
    for name in ("Packages", "Packages.gz", "Packages.zst", ".portage-ext.sqlite"):
        (engine.pkgdir / name).unlink()
    monkeypatch.setattr(limits, "POOL_FROM", 8)
    monkeypatch.setattr(limits, "BATCH", 100)
    monkeypatch.setattr(changes, "_OPEN", 1)
    together = engine.run(jobs=jobs)
    assert index(engine) == expected
    assert together == alone


def test_where_paths_say_what_packages_are_no_block_is_made_twice(engine: Engine, many: None, made: list[list[str]]) -> None:
    for number in range(200):
        data = binpkgs.gpkg(binpkgs.metadata(f"app-misc/p{number:03}-1"))
        binpkgs.put(engine.pkgdir, f"app-misc/p{number:03}/p{number:03}-1-1.gpkg.tar", data)
    assert engine.run().packages == 200
    assert made == []


def test_a_package_that_changed_before_the_lock_is_read_again_and_only_its_block_made_again(
    engine: Engine, many: None, made: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PREFETCH_FROM", 8)

    def place(number: int) -> Path:
        return engine.pkgdir / f"app-misc/p{number:03}/p{number:03}-1-1.gpkg.tar"

    def put(number: int, description: str) -> None:
        values = binpkgs.metadata(f"app-misc/p{number:03}-1", IUSE=description)
        binpkgs.put(engine.pkgdir, str(place(number).relative_to(engine.pkgdir)), binpkgs.gpkg(values))

    for number in range(200):
        put(number, "before")
    held: list[int] = []

    @contextlib.contextmanager
    def lock(pkgdir: Path) -> Iterator[None]:
        held.append(len(held))
        if len(held) == 2:
            place(3).unlink()
            put(3, "after")
            place(150).unlink()
        yield

    report = Reindexer(replace(engine.repository, lock=lock)).run()
    assert report.packages == 199
    assert len(report.added) == 199
    said = {entry.path: entry.get("IUSE") for entry in engine.entries()}
    assert said.pop("app-misc/p003/p003-1-1.gpkg.tar") == "after"
    assert set(said.values()) == {"before"}
    assert "app-misc/p150/p150-1-1.gpkg.tar" not in said
    assert 1 <= len(made) <= 2


@pytest.mark.parametrize(
    ("path", "cpv"),
    [
        ("app-misc/foo/foo-1-r1-3.gpkg.tar", "app-misc/foo-1-r1"),
        ("app-misc/foo/foo-1-3.xpak", "app-misc/foo-1"),
        ("app-misc/foo-1-r1.gpkg.tar", "app-misc/foo-1-r1"),
        ("app-misc/foo-1.tbz2", "app-misc/foo-1"),
        ("foo.gpkg.tar", "/foo"),
    ],
)
def test_a_path_tells_the_cpv_that_belongs_there(path: str, cpv: str) -> None:
    assert expected_cpv(path) == cpv
