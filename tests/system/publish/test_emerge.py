"""From a signed PKGDIR through staging and production to a client's root, and back: real emerge at both ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.publish import site
from tests.system.publish.site import Host
from tests.testkit import environments
from tests.testkit.httpd import Server


def test_staging_is_promoted_installed_changed_and_rolled_back(work: Path, host: Host, web: Server) -> None:
    """Seen by a client with our fetcher, and by one with nothing but Portage, which goes by TIMESTAMP and Last-Modified."""
    host.run("publish").ok()
    assert host.channel("staging") == 1
    assert not (host.tree / "production").exists()
    promoted = host.run("promote", "staging", "production").ok()
    assert host.channel("production") == 2, promoted

    clients = [
        site.client(work, host, f"{web.url}/production", name, fetcher=fetcher)
        for name, fetcher in (("verifying", True), ("plain", False))
    ]
    for client in clients:
        client.emerge("-1", "--getbinpkgonly", "app-misc/flags").ok()
        assert "app-misc/flags-2.0" in client.installed()

    host.remove("app-misc/flags/flags-2.0-*")
    host.run("publish").ok()
    host.run("promote", "staging", "production", "--gates", "index").ok()
    assert host.channel("production") == 4
    for client in clients:
        older = client.emerge("-p", "--getbinpkgonly", "app-misc/flags").ok()
        assert "app-misc/flags-1.0" in older.binaries(), older

    back = host.run("rollback", "production").ok()
    assert host.channel("production") == 5, back
    for client in clients:
        newer = client.emerge("-p", "--getbinpkgonly", "app-misc/flags").ok()
        assert "app-misc/flags-2.0" in newer.binaries(), newer


@pytest.mark.slow
@pytest.mark.parametrize("version", [environments.SUPPORTED[0], environments.NEWEST])
def test_portage_alone_installs_from_the_pool(work: Path, host: Host, web: Server, version: str) -> None:
    host.run("publish").ok()
    plain = environments.environment(version, plugin=False)
    client = site.client(work, host, f"{web.url}/staging", fetcher=False, portage=plain)
    client.emerge("-1", "--getbinpkgonly", "app-misc/flags").ok()
    assert "app-misc/flags-2.0" in client.installed()
    assert any("/staging/app-misc/flags/flags-2.0-" in one.path for one in web.log)


def test_what_is_not_different_is_not_published_again(host: Host) -> None:
    host.run("publish").ok()
    again = host.run("publish").ok()
    assert "nothing was published" in again.stdout
    assert host.channel("staging") == 1
    assert "0 added" not in host.run("releases").ok().stdout
    assert host.run("diff", "1", "staging").ok().stdout.endswith("0 added, 0 removed, 0 rebuilt\n")
