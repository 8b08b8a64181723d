"""An eclass that shadows one of a master refuses who inherits it, unless the administrator allows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.repositories import cache
from portage_ext.repositories.pick.eclasses import Eclasses
from portage_ext.repositories.pick.overlay import RefusedError
from portage_ext.repositories.swap import File

OWN = {"own": File(b"own"), "same": File(b"gentoo"), "shadow": File(b"other"), "evil": RefusedError("a link out")}


@pytest.fixture
def masters(tmp_path: Path) -> list[tuple[str, Path]]:
    for name, eclasses in {"gentoo": ("same", "shadow", "base"), "special": ("base",)}.items():
        for one in eclasses:
            path = tmp_path / name / "eclass" / f"{one}.eclass"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
    return [("gentoo", tmp_path / "gentoo"), ("special", tmp_path / "special")]


def test_the_overlays_own_come_along_and_those_of_masters_do_not(masters: list[tuple[str, Path]]) -> None:
    assert Eclasses(OWN, masters).needed(["own", "same", "base"]) == {"own": OWN["own"]}


def test_the_last_master_counts(masters: list[tuple[str, Path]]) -> None:
    assert Eclasses(OWN, masters).digests(["base", "own", "none", "evil"]) == {
        "base": cache.md5(b"special"),
        "own": cache.md5(b"own"),
    }


@pytest.mark.parametrize(("name", "why"), [("shadow", "shadows the one of gentoo"), ("evil", "a link out")])
def test_shadows_and_what_cannot_be_taken_are_refused(masters: list[tuple[str, Path]], name: str, why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        Eclasses(OWN, masters).needed([name])


@pytest.mark.parametrize("allowed", [["shadow"], ["*"]])
def test_what_is_allowed_is_taken(masters: list[tuple[str, Path]], allowed: list[str]) -> None:
    assert Eclasses(OWN, masters, allowed).needed(["shadow"]) == {"shadow": OWN["shadow"]}
