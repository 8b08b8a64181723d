"""The whitelist beside emerge's own options and FEATURES."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest

from tests.system.whitelist.whitelisting import CXX, EVERYTHING, FLAGS, HELLO, WEBKIT, binaries, overlay, whitelist
from tests.testkit.httpd import Server
from tests.testkit.roots import Root


def test_getbinpkg_n_wins_over_all_and_asks_for_nothing(client: Root, server: Server) -> None:
    whitelist(client, "app-misc/* on")
    assert binaries(client, "--getbinpkg=n") == set()
    assert server.log == []


@pytest.mark.parametrize("how", ["-g", "make.conf", "environment", "EMERGE_DEFAULT_OPTS"])
def test_on_for_the_run_takes_all_but_what_is_switched_off(client: Root, how: str) -> None:
    whitelist(client, "app-misc/hello off", "app-misc/flags on")
    if how == "make.conf":
        client.features("getbinpkg")
    variables = {"environment": {"FEATURES": "getbinpkg"}, "EMERGE_DEFAULT_OPTS": {"EMERGE_DEFAULT_OPTS": "--getbinpkg"}}
    options = ["-g"] if how == "-g" else []
    assert binaries(client, *options, **variables.get(how, {})) == EVERYTHING - {HELLO}


def test_off_in_the_environment_wins_as_in_portage(client: Root, server: Server) -> None:
    whitelist(client, "app-misc/hello on")
    assert binaries(client, FEATURES="-getbinpkg") == set()
    assert server.log == []


def test_getbinpkgonly_names_the_line_that_holds_a_package_back(client: Root) -> None:
    whitelist(client, "# comment", "app-misc/hello off", "app-misc/flags on")
    run = client.emerge("-pG", "app-misc/hello").failed()
    place = f"{client.path}/etc/portage/package.env:2"
    assert f"portage-ext: app-misc/hello-1.1 of [tinybin] is held back: {place}: app-misc/hello off" in run.stderr
    assert client.emerge("-pG", "app-misc/flags", "net-libs/webkit").ok().binaries() == {FLAGS, WEBKIT}


def test_usepkg_beside_a_whitelist_uses_local_and_listed_remote_packages(
    client: Root, binhost_copy: Callable[..., None]
) -> None:
    binhost_copy(client, "app-misc/flags")
    whitelist(client, "app-misc/hello on")
    assert binaries(client, "--usepkg") == {HELLO, FLAGS}
    assert binaries(client) == {HELLO}


def test_local_binary_of_an_unlisted_package_stays_out_of_sight(client: Root, binhost_copy: Callable[..., None]) -> None:
    binhost_copy(client, "app-misc", "kde-apps", "net-libs")
    whitelist(client, "app-misc/hello on")
    assert binaries(client) == {HELLO}
    assert binaries(client, "-k") == EVERYTHING


def test_update_of_world_and_a_dependency_that_is_not_listed(client: Root) -> None:
    whitelist(client, "app-misc/* on")
    (client.path / "var/lib/portage/world").write_text("app-misc/hello\napp-misc/usestiny\nnet-libs/webkit\n")
    plan = client.emerge("-p1uDN", "@world").ok().plan()
    assert plan == {
        HELLO: "binary",
        "dev-libs/libtiny-2.0": "ebuild",
        "app-misc/usestiny-1.0": "binary",
        WEBKIT: "ebuild",
    }


def test_build_time_dependencies_are_treated_as_in_a_plain_emerge(new_client: Callable[..., Root]) -> None:
    plans = []
    vdb = None
    for name, plugin in (("with", True), ("without", False)):
        root = new_client(name, plugin=plugin)
        ours = overlay(root)
        ours.data("sys-devel/tool-1.0")
        ours.data("sys-apps/user-1.0", BDEPEND="sys-devel/tool")
        whitelist(root, "app-misc/hello on")
        if vdb is None:
            root.emerge("-1", "--quiet", "sys-apps/user").ok()
            vdb = root.path / "var/db/pkg"
        else:
            # What is installed is the same; only what plans is another Portage.
            shutil.copytree(vdb, root.path / "var/db/pkg", dirs_exist_ok=True)
        ours.data("sys-devel/tool-1.1")
        (root.path / "var/lib/portage/world").write_text("sys-apps/user\n")
        plans.append(root.emerge("-puD", "@world").ok().plan())
    assert plans[0] == plans[1] == {"sys-devel/tool-1.1": "ebuild"}


def test_portages_own_include_and_exclude_only_narrow(client: Root) -> None:
    whitelist(client, "app-misc/hello on", "app-misc/flags on")
    assert binaries(client, "--getbinpkg-exclude", "app-misc/hello") == {FLAGS}
    assert binaries(client, "--getbinpkg-include", "app-misc/hello net-libs/webkit") == {HELLO}
    conf = (client.path / "etc/portage/binrepos.conf").read_text()
    client.etc("binrepos.conf", conf + "getbinpkg-exclude = app-misc/flags\n")
    assert binaries(client) == {HELLO}


def test_as_an_ordinary_user(client: Root) -> None:
    if os.getuid() != 0:
        pytest.skip("every test runs as an ordinary user already")
    whitelist(client, "app-misc/hello on")
    run = client.emerge("-p", "app-misc/hello", "app-misc/flags", as_user=65534).ok()
    assert run.plan() == {HELLO: "binary", FLAGS: "ebuild"}
    assert "portage-ext" not in run.text


def test_real_merge_with_jobs_takes_the_listed_package_and_compiles_the_rest(client: Root, server: Server) -> None:
    whitelist(client, "app-misc/hello on")
    client.emerge("-1", "--jobs", "2", "app-misc/hello", "app-misc/cxxhello", "app-misc/flags").ok()
    assert client.merged() == {HELLO: "binary", CXX: "ebuild", FLAGS: "ebuild"}
    assert server.packages() == ["app-misc/hello/hello-1.1-1.gpkg.tar"]
    assert client.run(str(client.path / "usr/bin/hello")).ok().stdout == "hello 1.1\n"
    assert client.run(str(client.path / "usr/bin/cxxhello")).ok().stdout == "cxx 1.0\n"


def test_resume_keeps_the_listed_package_a_binary(client: Root) -> None:
    overlay(client).ebuild("app-misc/broken-1.0", "src_compile() { die 'broken on purpose'; }\n")
    whitelist(client, "app-misc/hello on")
    client.emerge("-1", "app-misc/broken", "app-misc/hello", "app-misc/flags").failed()
    client.emerge("--resume", "--skipfirst").ok()
    assert client.installed() == {HELLO, FLAGS}
    assert (client.merged()[HELLO], client.merged()[FLAGS]) == ("binary", "ebuild")


def test_layout_with_root(new_client: Callable[..., Root]) -> None:
    root = new_client(layout="root")
    whitelist(root, "app-misc/hello on")
    root.emerge("-1", "app-misc/hello", "app-misc/flags").ok()
    assert root.installed() == {HELLO, FLAGS}
    plan = root.emerge("-p", "app-misc/hello", "app-misc/flags").ok()
    assert plan.binaries() == {HELLO}
