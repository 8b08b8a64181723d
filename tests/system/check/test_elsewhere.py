"""The commands that look at a host, with every supported Portage, in the other layout, and for an ordinary user."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.testkit import binhost as kit
from tests.testkit import environments, portages
from tests.testkit.binhost import Binhost
from tests.testkit.httpd import Server
from tests.testkit.roots import Layout, Root

COMMANDS = (("check", "--json"), ("status", "--json"), ("cpu", "--json"), ("show", "app-misc/flags", "--json"))


def asked(root: Root, as_user: int | None = None) -> dict[str, object]:
    told: dict[str, object] = {}
    for command in COMMANDS:
        outcome = root.run("portage-ext", *command, as_user=as_user)
        assert "Traceback" not in outcome.stderr, outcome
        told[command[0]] = json.loads(outcome.stdout)
    own = root.run("portage-ext", "compare", "--print", as_user=as_user).ok()
    told["builder"] = json.loads(own.stdout)
    return told


@pytest.mark.parametrize(
    ("version", "layout"),
    [
        *((version, "prefix") for version in portages.several("COMPAT_PORTAGES") if version != environments.NEWEST),
        (environments.NEWEST, "root"),
        pytest.param(environments.NEWEST, "prefix", marks=pytest.mark.slow),
    ],
)
def test_every_supported_portage_answers(work: Path, binhost: Binhost, server: Server, version: str, layout: Layout) -> None:
    root = kit.client(work / "client", binhost, {"tinybin": server.url}, version=version, layout=layout)
    root.etc("package.use", "app-misc/flags bar\n")
    (root.path / "var/lib/portage/world").write_text("app-misc/hello\n")
    root.emerge("-1", "app-misc/flags").ok()
    told = asked(root)
    areas = {area["name"]: area for area in told["check"]["areas"]}  # type: ignore[index]
    assert areas["Portage"]["findings"] == []
    assert areas["Portage"]["summary"] == version
    assert areas["binhost tinybin"]["findings"] == []
    builder = told["builder"]
    assert isinstance(builder, dict)
    assert builder["profile"] == "tiny:default/linux/amd64"
    assert builder["package_use"] == {"app-misc/flags": ["bar"]}
    assert builder["world"] == ["app-misc/hello"]
    shown = told["show"]
    assert isinstance(shown, dict)
    assert shown["package"] == "app-misc/flags-2.0 (installed)"


@pytest.mark.skipif(os.getuid() != 0, reason="another user is needed")
def test_an_ordinary_user_may_look(client: Root) -> None:
    client.emerge("-1", "app-misc/flags").ok()
    shutil.rmtree(client.path / "etc/portage/gnupg/private-keys-v1.d", ignore_errors=True)
    as_root, as_nobody = asked(client), asked(client, as_user=65534)
    assert as_root["builder"] == as_nobody["builder"]
    for told in (as_root, as_nobody):
        assert [area["name"] for area in told["check"]["areas"] if area["severity"] == "error"] == []  # type: ignore[index]
