"""Several builds of one version in one release: each client takes the one that fits. Several PKGDIRs below one web server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.publish import site
from tests.system.publish.site import Host
from tests.testkit import environments, keys
from tests.testkit.binhost import Binhost, client
from tests.testkit.httpd import serve
from tests.testkit.roots import Root


@pytest.mark.slow
def test_clients_choose_by_use_and_by_repository(work: Path, binhost: Binhost) -> None:
    key = keys.new_key(work / "key")
    gnupg = work / "host/etc/portage/gnupg"
    try:
        root = Root.create(
            work / "host",
            environments.environment(),
            [binhost.repository],
            features="binpkg-multi-instance",
            BINPKG_GPG_VERIFY_GPG_HOME=str(gnupg),
        )
        keys.trust(gnupg, key)
        host = Host(root, work / "web/amd64", key, binhost)
        more = f'\n[repository.v3]\ntree = "{work}/web/amd64-v3"\npkgdir = "{work}/binpkgs-v3"\n'
        host.configure(more=more)
        for use in ("foo -bar", "-foo bar"):
            root.emerge("--buildpkgonly", "--quiet", "app-misc/flags", USE=use).ok()
        (work / "binpkgs-v3").mkdir()
        root.emerge("--buildpkgonly", "--quiet", "net-libs/webkit", PKGDIR=str(work / "binpkgs-v3")).ok()
        for place in (root.pkgdir, work / "binpkgs-v3"):
            host.run("sign", "--config-root", str(root.path), "--pkgdir", str(place)).ok()
        host.run("publish", "--channel", "production").ok()
        host.run("publish", "--channel", "production", "--repository", "v3").ok()
        assert (host.tree / "production/Packages").read_text().count("CPV: app-misc/flags-2.0\n") == 2

        cleaned = host.run("clean").ok()
        assert "0 packages" in cleaned.stdout, cleaned

        with serve(work / "web") as server:
            for use, flag in (("foo -bar", "foo"), ("-foo bar", "bar")):
                urls = {"amd64": f"{server.url}/amd64/production", "v3": f"{server.url}/amd64-v3/production"}
                one = client(work / f"client-{flag}", site.trusting(binhost, work / f"ring-{flag}", key), urls, USE=use)
                one.emerge("-1", "--getbinpkgonly", "--binpkg-respect-use=y", "app-misc/flags", "net-libs/webkit").ok()
                installed = (one.path / "var/db/pkg/app-misc/flags-2.0/USE").read_text().split()
                assert flag in installed
                assert len({"foo", "bar"} & set(installed)) == 1
                assert any(path.startswith("amd64-v3/") for path in server.packages())
    finally:
        keys.kill_agents(key.home)


def test_cleaning_says_first_and_leaves_releases_whole(host: Host) -> None:
    host.run("publish").ok()
    ebuild = "app-misc/flags/flags-1.0-1.gpkg.tar"
    said = host.run("clean", "--older-than", "0", "--list").ok()
    assert f"{ebuild}  " in said.stdout
    assert "older than policy" in said.stdout
    assert "would be removed" in said.stdout
    assert (host.root.pkgdir / ebuild).exists()
    held = host.run("clean", "--older-than", "0", "--keep-released").ok()
    assert held.stdout.startswith("0 packages")
    host.run("clean", "--older-than", "0", "--remove").ok()
    assert not (host.root.pkgdir / ebuild).exists()
    assert list((host.tree / "staging/app-misc/flags").glob("flags-1.0-*.gpkg.tar"))
    assert "flags-1.0" not in (host.root.pkgdir / "Packages").read_text()
    assert host.run("reindex", "--check").ok()
