"""A mistake is one clear line on stderr with file and line number, and never widens what is fetched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.system.whitelist.whitelisting import FLAGS, HELLO, whitelist
from tests.testkit.binhost import Binhost
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root


def said(run: Outcome) -> list[str]:
    return [line.removeprefix("portage-ext: ") for line in run.stderr.splitlines() if line.startswith("portage-ext")]


def test_missing_env_file(client: Root) -> None:
    whitelist(client, "app-misc/flags on", "", "app-misc/hello gone")
    run = client.emerge("-p", "app-misc/hello", "app-misc/flags").ok()
    assert run.plan() == {HELLO: "ebuild", FLAGS: "binary"}
    etc = f"{client.path}/etc/portage"
    assert said(run) == [f"{etc}/package.env:3: {etc}/env/gone does not exist; this line does nothing for app-misc/hello"]


def test_missing_env_file_is_said_even_when_it_is_the_only_entry(client: Root) -> None:
    client.etc("package.env", "app-misc/hello getbinpkg.conf\n")
    run = client.emerge("-p", "app-misc/hello").ok()
    assert run.plan() == {HELLO: "ebuild"}
    assert len(said(run)) == 1
    assert "package.env:1:" in said(run)[0]


def test_atom_that_does_not_parse(client: Root) -> None:
    whitelist(client, "app-misc/flags on", "=app-misc/hello on")
    run = client.emerge("-p", "app-misc/hello", "app-misc/flags").ok()
    assert run.plan() == {HELLO: "ebuild", FLAGS: "binary"}
    place = f"{client.path}/etc/portage/package.env:2"
    assert said(run) == [f"{place}: '=app-misc/hello' is not a package atom; this line does nothing"]


def test_atom_that_does_not_parse_is_said_even_when_it_is_the_only_entry(client: Root) -> None:
    whitelist(client, "=app-misc/hello on")
    run = client.emerge("-p", "app-misc/hello").ok()
    assert run.plan() == {HELLO: "ebuild"}
    assert len(said(run)) == 1


def test_atom_that_does_not_parse_elsewhere_is_left_to_portage(client: Root) -> None:
    client.etc("env/other", 'CFLAGS="-O1"\n')
    whitelist(client, "=app-misc/hello other", "app-misc/flags on")
    assert said(client.emerge("-p", "app-misc/flags").ok()) == []


def test_env_file_that_does_not_parse(client: Root) -> None:
    client.etc("env/broken", 'FEATURES="getbinpkg\n')
    whitelist(client, "app-misc/flags on", "app-misc/hello broken")
    run = client.emerge("-p", "app-misc/flags").ok()
    assert run.plan() == {FLAGS: "binary"}
    assert len(said(run)) == 1
    assert f"{client.path}/etc/portage/package.env:2: " in said(run)[0]
    assert "env/broken" in said(run)[0]


def test_env_file_that_this_user_may_not_read(client: Root) -> None:
    if os.getuid() != 0:
        pytest.skip("needs a file of somebody else")
    whitelist(client, "app-misc/flags on", "app-misc/hello secret")
    client.etc("env/secret", 'FEATURES="getbinpkg"\n').chmod(0)
    run = client.emerge("-p", "app-misc/flags", as_user=65534).ok()
    assert run.plan() == {FLAGS: "binary"}
    assert ["cannot be read" in line for line in said(run)] == [True]


def test_index_with_an_invalid_name_costs_that_entry_only(client: Root, binhost: Binhost, work: Path) -> None:
    from tests.testkit import httpd

    pkgdir = work / "pkgdir"
    pkgdir.mkdir()
    text = (binhost.pkgdir / "Packages").read_text()
    (pkgdir / "Packages").write_text(text.replace("CPV: app-misc/hello-1.0\n", "CPV: app-misc/hello-1..0\n"))
    with httpd.serve(pkgdir) as bad:
        conf = (client.path / "etc/portage/binrepos.conf").read_text()
        old = conf.split("sync-uri = ")[1].split("\n")[0]
        client.etc("binrepos.conf", conf.replace(old, bad.url))
        whitelist(client, "app-misc/hello on")
        run = client.emerge("-p", "app-misc/hello").ok()
    assert run.plan() == {HELLO: "binary"}
    assert said(run) == ["[tinybin] offers a package with an invalid name, which is ignored: 'app-misc/hello-1..0'"]
