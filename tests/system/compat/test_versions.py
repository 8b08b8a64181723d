"""The whole way, from package.env to the merge, on every supported Portage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.whitelist.whitelisting import CXX, EVERYTHING, FLAGS, HELLO, binaries, whitelist
from tests.testkit import portages
from tests.testkit.binhost import Binhost
from tests.testkit.httpd import Server
from tests.testkit.roots import Root


@pytest.fixture(params=portages.outermost())
def old_client(request: pytest.FixtureRequest, new_client: Callable[..., Root]) -> Root:
    return new_client(version=request.param)


def test_listed_package_is_fetched_verified_and_merged_and_the_rest_compiled(old_client: Root, server: Server) -> None:
    whitelist(old_client, "app-misc/hello on")
    old_client.emerge("-1", "--jobs", "2", "app-misc/hello", "app-misc/cxxhello").ok()
    assert old_client.merged() == {HELLO: "binary", CXX: "ebuild"}
    assert server.packages() == ["app-misc/hello/hello-1.1-1.gpkg.tar"]
    assert old_client.run(str(old_client.path / "usr/bin/hello")).ok().stdout == "hello 1.1\n"


def test_both_directions_and_nothing_at_all(old_client: Root, server: Server) -> None:
    whitelist(old_client)
    assert binaries(old_client) == set()
    assert server.log == []
    whitelist(old_client, "app-misc/* on", "app-misc/hello off")
    assert HELLO not in binaries(old_client)
    assert FLAGS in binaries(old_client)
    assert binaries(old_client, "-g") == EVERYTHING - {HELLO}
    run = old_client.emerge("-pG", "app-misc/hello").failed()
    assert "package.env:2: app-misc/hello off switches getbinpkg off" in run.stderr


def test_tampered_package_is_still_refused_by_portage(old_client: Root, server: Server, binhost: Binhost, work: Path) -> None:
    """The whitelist changes what is a candidate, never what is verified."""
    import shutil

    from tests.testkit import httpd

    bad = work / "pkgdir"
    shutil.copytree(binhost.pkgdir, bad)
    file = bad / "app-misc/hello/hello-1.1-1.gpkg.tar"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)
    whitelist(old_client, "app-misc/hello on")
    with httpd.serve(bad) as other:
        conf = (old_client.path / "etc/portage/binrepos.conf").read_text()
        old_client.etc("binrepos.conf", conf.replace(server.url, other.url))
        old_client.emerge("-1", "app-misc/hello").failed()
    assert old_client.installed() == set()
