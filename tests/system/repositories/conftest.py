"""Overlays, and a system that picks from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.repositories import overlays
from tests.system.repositories.overlays import Client, Overlay


@pytest.fixture
def client(work: Path) -> Client:
    return overlays.client(work)


@pytest.fixture
def guru(work: Path) -> Overlay:
    """An overlay with a package that needs an eclass of an eclass, a group, and something of the main repository."""
    made = overlays.overlay(work / "guru")
    made.eclass("inner", 'IUSE="extra"\n')
    made.eclass("outer", "inherit inner\nouter_hello() { :; }\n")
    made.eclass("unused", "die\n")
    made.write("profiles/categories", "acct-group\napp-misc\ndev-libs\n")
    made.data("app-misc/keyd-1.0", RDEPEND="acct-group/keyd dev-libs/base extra? ( dev-libs/more:2= )")
    made.write("app-misc/keyd/keyd-1.0.ebuild", inherit((made.location / "app-misc/keyd/keyd-1.0.ebuild").read_text(), "outer"))
    made.ebuild("acct-group/keyd-0")
    made.data("dev-libs/more-2.1", SLOT="2/7")
    made.data("dev-libs/base-9.0")
    made.data("app-misc/stranger-1.0")
    made.commit()
    return made


def inherit(text: str, *names: str) -> str:
    """The text of an ebuild that inherits eclasses."""
    return text.replace("EAPI=8\n", f"EAPI=8\ninherit {' '.join(names)}\n")
