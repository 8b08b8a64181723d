"""Several binhosts, and GETBINPKG_FROM."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.whitelist.whitelisting import EVERYTHING, FLAGS, HELLO, WEBKIT, binaries, whitelist
from tests.testkit import binhost as kit
from tests.testkit import httpd
from tests.testkit.binhost import Binhost
from tests.testkit.httpd import Server
from tests.testkit.roots import Root

Hosts = tuple[Root, Server, Server]


@pytest.fixture
def hosts(work: Path, binhost: Binhost) -> Iterator[Hosts]:
    """A client of two binhosts, ``lab`` and, of higher priority, ``gentoo``; both offer the same packages."""
    with httpd.serve(binhost.pkgdir) as lab, httpd.serve(binhost.pkgdir) as gentoo:
        # Portage keys its index cache by host and path, not by port: two ports of one host would share a file.
        urls = {"lab": lab.url.replace("127.0.0.1", "localhost"), "gentoo": gentoo.url}
        root = kit.client(work / "client", binhost, urls)
        root.etc("env/lab", 'FEATURES="getbinpkg"\nGETBINPKG_FROM="lab"\n')
        root.etc("env/both", 'FEATURES="getbinpkg"\nGETBINPKG_FROM="gentoo lab"\n')
        root.etc("env/only-from", 'GETBINPKG_FROM="lab"\n')
        yield root, lab, gentoo


def test_package_comes_from_the_binhost_it_is_bound_to(hosts: Hosts) -> None:
    root, lab, gentoo = hosts
    whitelist(root, "app-misc/hello lab", "app-misc/flags on", "net-libs/webkit both")
    root.emerge("-1", "app-misc/hello", "app-misc/flags", "net-libs/webkit").ok()
    assert root.merged() == {HELLO: "binary", FLAGS: "binary", WEBKIT: "binary"}
    assert lab.packages() == ["app-misc/hello/hello-1.1-1.gpkg.tar"]
    assert sorted(gentoo.packages()) == ["app-misc/flags/flags-2.0-1.gpkg.tar", "net-libs/webkit/webkit-1.0-1.gpkg.tar"]


def test_binhost_that_nothing_may_come_from_is_not_even_asked(hosts: Hosts) -> None:
    root, lab, gentoo = hosts
    whitelist(root, "app-misc/hello lab")
    assert binaries(root) == {HELLO}
    assert lab.paths() == ["/Packages.gz"]
    assert gentoo.log == []


def test_binding_alone_switches_nothing_on(hosts: Hosts) -> None:
    root, lab, gentoo = hosts
    whitelist(root, "app-misc/hello only-from")
    assert binaries(root) == set()
    assert lab.log == gentoo.log == []


def test_binding_holds_in_a_run_that_is_on(hosts: Hosts) -> None:
    root, lab, _ = hosts
    whitelist(root, "app-misc/hello only-from", "app-misc/flags off")
    assert binaries(root, "-g") == EVERYTHING - {FLAGS}
    root.emerge("-1g", "app-misc/hello").ok()
    assert lab.packages() == ["app-misc/hello/hello-1.1-1.gpkg.tar"]


def test_make_conf_can_bind_everything_and_the_environment_overrides(hosts: Hosts) -> None:
    root, lab, gentoo = hosts
    root.settings["GETBINPKG_FROM"] = "lab"
    root.write_settings()
    whitelist(root, "app-misc/hello on")
    assert binaries(root) == {HELLO}
    assert gentoo.log == []
    before = len(lab.log)
    assert binaries(root, GETBINPKG_FROM="gentoo") == {HELLO}
    assert len(lab.log) == before
    assert gentoo.paths() == ["/Packages.gz"]


def test_binhost_that_does_not_exist_is_one_line_and_narrows(hosts: Hosts) -> None:
    root, _, _ = hosts
    root.etc("env/typo", '# bound to our lab\nFEATURES="getbinpkg"\nGETBINPKG_FROM="lap"\n')
    whitelist(root, "app-misc/flags on", "app-misc/hello typo")
    run = root.emerge("-p", "app-misc/hello", "app-misc/flags").ok()
    assert run.plan() == {HELLO: "ebuild", FLAGS: "binary"}
    said = [line for line in run.stderr.splitlines() if line.startswith("portage-ext")]
    etc = f"{root.path}/etc/portage"
    assert said == [
        f"portage-ext: {etc}/env/typo:3: GETBINPKG_FROM names 'lap', which binrepos.conf does not have (it has: gentoo, lab); "
        f"no package is taken from it ({etc}/package.env:2)",
        "portage-ext: 1 whitelisted package will be compiled. For the reason, run: portage-ext why app-misc/hello",
    ]
