"""What is picked from three overlays, each with masters of its own, is merged as with the three whole ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.repositories import overlays
from tests.system.repositories.conftest import inherit
from tests.system.repositories.overlays import Client, Overlay
from tests.system.repositories.test_oracle import rich

LISTED = {
    "guru": ("app-misc/flags", "app-misc/slots", "virtual/thing", "app-misc/future", "app-misc/masked"),
    "second": ("app-misc/neighbour",),
    "third": ("app-misc/lonely",),
}
COMPARED = ("BDEPEND", "DEPEND", "EAPI", "INHERITED", "LICENSE", "PDEPEND", "RDEPEND", "SLOT", "USE", "repository")


def three(work: Path) -> list[Overlay]:
    """One with all that concerns the resolver, one that builds on it, and one that builds on a repository that nobody has."""
    second = overlays.overlay(work / "second", "second", masters="tiny guru")
    second.write("profiles/categories", "acct-group\nacct-user\napp-misc\n")
    second.data("app-misc/neighbour-1.0", RDEPEND="app-misc/masked acct-user/owner")
    second.ebuild("acct-user/owner-0", RDEPEND="acct-group/owner")
    second.ebuild("acct-group/owner-0")
    second.data("app-misc/unlisted-1.0")
    third = overlays.overlay(work / "third", "third", masters="tiny nowhere")
    third.write("profiles/categories", "app-misc\ndev-libs\n")
    third.eclass("one", 'IUSE="deep"\n')
    third.eclass("two", "inherit one\n")
    third.eclass("three", 'inherit two\nBDEPEND="dev-libs/tool"\n')
    third.data("app-misc/lonely-1.0")
    path = third.location / "app-misc/lonely/lonely-1.0.ebuild"
    path.write_text(inherit(path.read_text(), "three"))
    third.data("dev-libs/tool-1.0")
    for one in (second, third):
        one.commit()
    return [rich(work / "guru"), second, third]


def merged(client: Client) -> dict[str, dict[str, str]]:
    """What the vdb says of each installed package: files without their times, dependencies, USE."""
    found = {}
    for cpv in client.root.installed():
        entry = client.root.path / "var/db/pkg" / cpv
        said = {name: (entry / name).read_text() for name in COMPARED if (entry / name).exists()}
        contents = (entry / "CONTENTS").read_text() if (entry / "CONTENTS").exists() else ""
        lines = (line.rpartition(" ")[0] if line.startswith("obj") else line for line in contents.splitlines())
        said["CONTENTS"] = "\n".join(lines).replace(str(client.root.path), "")
        found[cpv] = said
    return found


@dataclass(frozen=True)
class Pair:
    """A client that picks the listed packages, and one that has the whole overlays."""

    picking: Client
    whole: Client
    atoms: list[str]


@pytest.fixture
def pair(work: Path, client: Client) -> Pair:
    whole = overlays.client(work / "whole")
    atoms = [f"{cp}::{name}" for name, packages in LISTED.items() for cp in packages]
    client.list(*atoms)
    for one in three(work):
        client.configure(one, one.name)
        whole.configure(one, one.name, sync_type="git")
        client.sync(one.name).ok()
        whole.sync(one.name).ok()
    return Pair(client, whole, atoms)


@pytest.mark.slow
def test_a_plan_and_a_merge_are_those_of_the_whole_overlays(pair: Pair) -> None:
    plans = [one.root.emerge("-pv", *pair.atoms, USE="extra deep").ok().plan() for one in (pair.picking, pair.whole)]
    assert plans[0] == plans[1]
    assert {"acct-user/owner-0", "app-misc/masked-1.0", "app-misc/neighbour-1.0"} <= plans[0].keys()
    for one in (pair.picking, pair.whole):
        one.root.emerge("-1", "--nodeps", "app-misc/lonely::third", USE="deep").ok()
    assert merged(pair.picking) == merged(pair.whole)
    assert merged(pair.picking)["app-misc/lonely-1.0"]["BDEPEND"] == "dev-libs/tool\n"
    assert pair.picking.root.installed() == {"app-misc/lonely-1.0"}
    assert merged(pair.picking)["app-misc/lonely-1.0"]["USE"].split().count("deep") == 1


@pytest.mark.slow
def test_a_merge_of_all_is_that_of_the_whole_overlays(pair: Pair) -> None:
    client = pair.picking
    for one in (client, pair.whole):
        one.root.emerge("-1", *pair.atoms, USE="extra deep").ok()
    assert merged(client) == merged(pair.whole)
    assert client.root.installed() >= {
        "acct-group/owner-0", "acct-user/owner-0", "app-misc/masked-1.0", "app-misc/provider-1.0", "dev-libs/extra-1.0",
        "dev-libs/multi-2.0", "dev-libs/tool-1.0",
    }  # fmt: skip
    assert merged(client)["app-misc/lonely-1.0"]["USE"].split().count("deep") == 1
    assert "app-misc/unlisted" not in client.packages("second")
