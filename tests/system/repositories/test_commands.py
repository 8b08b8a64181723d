"""`portage-ext pick`, and olm: what comes and goes is named before anything changes, and why a package is there."""

from __future__ import annotations

import json
from typing import Any

from tests.system.repositories.overlays import Client, Overlay


def of(client: Client, *words: str) -> Any:
    return json.loads(client.pick(*words, "--json").ok().stdout)


def test_from_nothing_to_a_package_and_back(client: Client, guru: Overlay) -> None:
    assert "[guru]\nlocation = " in client.pick("add", "app-misc/keyd::guru", "--yes").failed().stderr
    client.configure(guru)
    packages = client.root.path / "etc/overlayman/packages"

    said = client.pick("add", "app-misc/keyd::guru").failed()
    assert "not a terminal; pass --yes" in said.stderr
    assert "+ acct-group/keyd: 0 (needed by app-misc/keyd)" in said.stdout
    assert "+ eclass/outer.eclass" in said.stdout
    assert not packages.exists()
    assert not client.packages()

    client.pick("add", "app-misc/keyd::guru", "--yes").ok()
    assert packages.read_text() == "app-misc/keyd::guru\n"
    assert client.root.emerge("-p", "app-misc/keyd").ok().plan().keys() >= {"app-misc/keyd-1.0", "acct-group/keyd-0"}
    assert (
        "nothing was changed: app-misc/kexd cannot be taken"
        in client.pick("add", "app-misc/kexd::guru", "--yes").failed().stdout
    )
    assert "on the list already" in client.root.run("olm", "add", "app-misc/keyd::guru", **client.variables()).ok().stdout

    assert of(client, "why", "eclass/inner")["found"][0]["chains"] == [["app-misc/keyd", "eclass/inner"]]
    assert "app-misc/keyd needs dev-libs/more" in client.pick("why", "dev-libs/more::guru").ok().stdout
    assert "not picked from any overlay" in client.pick("why", "app-misc/stranger").failed().stderr
    (listed,) = of(client, "list")["repositories"]
    assert (listed["name"], listed["listed"], len(listed["items"])) == ("guru", ["app-misc/keyd"], 5)
    assert "acct-group/keyd for app-misc/keyd" in client.pick("list").ok().stdout

    guru.data("app-misc/keyd-2.0")
    guru.commit()
    assert of(client, "diff", "--offline")["repositories"][0]["packages"] == []
    (change,) = of(client, "diff")["repositories"][0]["packages"]
    assert (change["cp"], change["before"], change["now"]) == ("app-misc/keyd", ["1.0"], ["1.0", "2.0"])
    assert client.packages() == {"app-misc/keyd", "acct-group/keyd", "dev-libs/more"}
    assert not (client.picked() / "app-misc/keyd/keyd-2.0.ebuild").exists()

    said = client.pick("remove", "app-misc/keyd::guru", "--yes").ok()
    assert "- acct-group/keyd: 0" in said.stdout
    assert packages.read_text() == ""
    assert not client.packages()
