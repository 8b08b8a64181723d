"""For the listed packages emerge plans the same as with the whole overlay, and packages that are not listed do not exist."""

from __future__ import annotations

import re
from pathlib import Path

from tests.system.repositories import overlays
from tests.system.repositories.conftest import inherit
from tests.system.repositories.overlays import Client, Overlay

LISTED = ("app-misc/chooser", "app-misc/flags", "app-misc/slots", "app-misc/blocks", "app-misc/masked", "app-misc/new",
          "app-misc/mirrored", "app-misc/future", "virtual/thing")  # fmt: skip
UNLISTED = ("app-misc/stranger", "app-misc/plain")


def rich(location: Path) -> Overlay:
    """An overlay with all that makes a difference to the resolver."""
    made = overlays.overlay(location)
    made.eclass("inner", 'IUSE="extra"\nRDEPEND="extra? ( dev-libs/extra )"\n')
    made.eclass("outer", "inherit inner\n")
    made.data("app-misc/chooser-1.0", RDEPEND="|| ( dev-libs/first dev-libs/second )")
    made.data("dev-libs/first-1.0")
    made.data("dev-libs/second-1.0")
    made.data("app-misc/flags-1.0", BDEPEND="dev-libs/base:0")
    made.data("dev-libs/extra-1.0")
    path = made.location / "app-misc/flags/flags-1.0.ebuild"
    path.write_text(inherit(path.read_text(), "outer"))
    made.data("app-misc/slots-1.0", RDEPEND="dev-libs/multi:2= >=dev-libs/multi-2")
    made.data("dev-libs/multi-1.0", SLOT="1")
    made.data("dev-libs/multi-2.0", SLOT="2/3")
    made.data("app-misc/blocks-1.0", RDEPEND="!app-misc/plain !!<dev-libs/base-0.5")
    made.data("app-misc/masked-1.0")
    made.data("app-misc/masked-2.0")
    made.data("app-misc/new-1.0", PDEPEND="app-misc/later")
    made.data("app-misc/later-1.0")
    made.data("app-misc/mirrored-1.0", SRC_URI="mirror://ours/mirrored.tar", RESTRICT="fetch")
    made.ebuild("app-misc/future-1.0")
    made.data("app-misc/future-2.0")
    path = made.location / "app-misc/future/future-2.0.ebuild"
    path.write_text(path.read_text().replace("EAPI=8", "EAPI=99"))
    made.ebuild("virtual/thing-0", RDEPEND="|| ( dev-libs/none app-misc/provider )")
    made.data("app-misc/provider-1.0", IUSE="forced", LICENSE="OURS")
    for name in UNLISTED:
        made.data(f"{name}-1.0")
    made.write("licenses/OURS", "ours\n")
    made.write("profiles/categories", "app-misc\ndev-libs\nvirtual\n")
    made.write("profiles/package.mask", "# broken\n>=app-misc/masked-2.0\n\n# theirs\napp-misc/stranger\n")
    made.write("profiles/package.use.force", "app-misc/provider forced\napp-misc/stranger other\n")
    made.write("profiles/updates/1Q-2024", "move app-misc/old app-misc/new\nmove app-misc/was app-misc/stranger\n")
    made.write("profiles/thirdpartymirrors", "ours https://example.invalid/ours\ntheirs https://example.invalid/theirs\n")
    made.write("profiles/license_groups", "MINE OURS GPL-2\n")
    made.commit()
    return made


def planned(client: Client) -> list[str]:
    """What emerge -p says of each listed package, and of all of them."""
    run = client.root.emerge("-pv", "--with-bdeps=y", *(f"{name}::guru" for name in LISTED), USE="extra").ok()
    return [re.sub(r"\s+", " ", line) for line in run.stdout.splitlines() if line.startswith(("[ebuild", "[blocks", "Fetch"))]


def test_the_plan_is_that_of_the_whole_overlay(work: Path, client: Client) -> None:
    guru = rich(work / "guru")
    whole = overlays.client(work / "whole")
    whole.configure(guru, sync_type="git")
    whole.sync().ok()
    client.configure(guru)
    client.list(*(f"{name}::guru" for name in LISTED))
    said = client.sync().ok()
    assert planned(client) == planned(whole)
    assert len(planned(client)) == 16, planned(client)
    assert "cannot read app-misc/future-2.0: this Portage cannot read EAPI 99" in said.stdout
    for name in UNLISTED:
        assert "no ebuilds to satisfy" in client.root.emerge("-p", name).failed().text
    for path, kept in {
        "package.mask": "# broken\n>=app-misc/masked-2.0\n",
        "package.use.force": "app-misc/provider forced\n",
        "updates/1Q-2024": "move app-misc/old app-misc/new\n",
        "thirdpartymirrors": "ours https://example.invalid/ours\n",
        "license_groups": "MINE OURS\n",
    }.items():
        assert (client.picked() / "profiles" / path).read_text() == kept
    # The entries of md5-cache are what Portage takes, so that it runs no ebuild to plan.
    assert client.root.emerge("-p", "app-misc/flags", PORTAGE_DEPCACHEDIR=str(work / "dep")).ok()
    assert not list((work / "dep").rglob("flags-1.0"))
