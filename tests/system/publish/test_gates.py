"""What must not go live does not, and the command says why: packages that real emerge built, in a PKGDIR of their own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.system.publish.site import Host
from tests.testkit import environments, keys
from tests.testkit.binhost import Binhost
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.roots import Root


def builder(work: Path, binhost: Binhost) -> tuple[Root, EbuildRepository]:
    """A system with an overlay, and nothing in its PKGDIR."""
    overlay = EbuildRepository.create(work / "overlay", "overlay", masters="tiny")
    gnupg = work / "host/etc/portage/gnupg"
    root = Root.create(
        work / "host",
        environments.environment(),
        [binhost.repository, overlay],
        BINPKG_GPG_VERIFY_GPG_HOME=str(gnupg),
    )
    return root, overlay


def test_each_gate_names_its_package_and_the_channel_stays(work: Path, binhost: Binhost) -> None:
    root, overlay = builder(work, binhost)
    overlay.data("app-misc/fine-1")
    overlay.data("app-misc/needy-1", RDEPEND="|| ( app-misc/nowhere app-misc/elsewhere ) app-misc/fine")
    overlay.data("app-misc/closed-1", RESTRICT="bindist")
    overlay.data("app-misc/foreign-1", LICENSE="Unheard-Of")
    overlay.write("licenses/Unheard-Of", "no\n")
    overlay.data("app-misc/broken-1")
    ebuild = overlay.location / "app-misc/broken/broken-1.ebuild"
    ebuild.write_text(ebuild.read_text() + '\npkg_preinst() { die "not on this host"; }\n')
    names = ("fine", "needy", "closed", "foreign", "broken")
    root.emerge("--buildpkgonly", "--nodeps", "--quiet", *(f"app-misc/{name}" for name in names)).ok()
    key = keys.new_key(work / "key")
    try:
        keys.trust(root.path / "etc/portage/gnupg", key)
        host = Host(root, work / "tree", key, binhost)
        host.configure()
        toml = root.path / "etc/portage/portage-ext.toml"
        toml.write_text(toml.read_text().replace("sample = 1", "sample = 5"))

        unsigned = host.run("publish", "--channel", "production", "--gates", "index,signatures").failed()
        assert unsigned.status == 1, unsigned
        assert "[signatures] 5 packages: its Manifest is not signed [unsigned] (such as app-misc/" in unsigned.stderr, unsigned
        assert not (host.tree / "production").exists()

        host.run("sign", "--config-root", str(root.path)).ok()
        refused = host.run("publish", "--channel", "production", "--json").failed()
        found = {(one["gate"], one["where"].split("-1")[0]) for one in json.loads(refused.stdout)["findings"]}
        assert found == {
            ("closure", "app-misc/needy"),
            ("licences", "app-misc/closed"),
            ("licences", "app-misc/foreign"),
            ("install", "app-misc/broken"),
        }, refused
        assert "not on this host" in refused.stdout
        assert (host.tree / "releases/.staging/Packages").exists()
        assert not (host.tree / "production").exists()
        assert not (root.path / "var/db/pkg/app-misc").exists(), "the install test touched this host"

        # What everybody can read is one thing; staging is another.
        host.run("publish", "--gates", "index,signatures,licences").ok()
        for name in names[1:]:
            shutil.rmtree(root.pkgdir / "app-misc" / name)
        refused = host.run("publish", "--channel", "production").failed()
        assert "lists 5 packages, but the new index would list 1" in refused.stderr, refused
        host.run("publish", "--channel", "production", "--force").ok()
        assert host.channel("production") == 2
    finally:
        keys.kill_agents(key.home)
