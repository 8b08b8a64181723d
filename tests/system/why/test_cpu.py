"""A binary for another CPU: emerge would take it, so it is said of binaries that come, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.publish import site as publishing
from tests.system.publish.conftest import host, web
from tests.system.publish.site import Host
from tests.system.whitelist.whitelisting import FLAGS
from tests.system.why.asking import why
from tests.system.why.conftest import Site
from tests.testkit.httpd import Server
from tests.testkit.roots import Root

__all__ = ["host", "web"]
A = "app-misc/a-1"


def foreign(root: Root) -> str:
    """A CPU whose code does not run on this machine."""
    for march in ("knl", "sapphirerapids", "bdver4", "znver5"):
        if root.run("portage-ext", "cpu", "--march", march).status == 1:
            return f"-march={march}"
    pytest.skip("this machine runs everything, or has no compiler that could say what code needs")


def test_a_binhost_that_builds_for_another_cpu(work: Path, host: Host, web: Server) -> None:
    march = foreign(host.root)
    host.root.settings["CFLAGS"] = f"-O2 {march}"
    host.root.write_settings()
    host.run("publish", "--channel", "production", "--gates", "index").ok()
    client = publishing.client(work, host, f"{web.url}/production")
    answer = why(client, "app-misc/flags")
    (reason,) = answer.best(FLAGS)["reasons"]
    assert (reason["kind"], reason["blocks"], answer.package(FLAGS)["taken"]) == ("cpu", False, "binary")
    assert march in reason["text"]
    assert f"({march})" in client.run("portage-ext", "why", "app-misc/flags").stdout
    assert (reason["remedies"][0]["where"], "-march=x86-64" in reason["remedies"][0]["command"]) == ("binhost", True)
    host.root.settings["CFLAGS"] = "-O2 -march=x86-64"
    host.root.write_settings()
    host.run("publish", "--channel", "production", "--gates", "index").ok()
    client.forget_downloads()
    assert why(client, "app-misc/flags").best(FLAGS)["reasons"] == []
    assert client.emerge("-p", "app-misc/flags").ok().binaries() == {FLAGS}


@pytest.mark.slow
def test_a_local_package_that_was_built_for_another_cpu(site: Site) -> None:
    site.both(A)
    client = site.client
    client.features("buildpkg binpkg-multi-instance")
    client.emerge("-1", "app-misc/a", CFLAGS=f"-O2 {foreign(client)}").ok()
    answer = why(client, "app-misc/a")
    assert answer.kinds(A) == ["cpu"]
    answer.follow(A)
    anew, before = why(client, "app-misc/a").package(A)["candidates"]
    assert (anew["reasons"], [reason["kind"] for reason in before["reasons"]]) == ([], ["cpu"])
    assert site.binaries("app-misc/a") == {A}
