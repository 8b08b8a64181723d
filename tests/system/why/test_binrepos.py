"""Why nothing comes from a binrepo as a whole: it cannot be reached, or its index is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.attacks.conftest import address, lab, other_key, portage, server, trusted
from tests.system.attacks.lab import Lab
from tests.system.whitelist.whitelisting import FLAGS, HELLO, whitelist
from tests.system.why.asking import why
from tests.testkit import binhost as kit
from tests.testkit import httpd
from tests.testkit.binhost import Binhost
from tests.testkit.httpd import Server
from tests.testkit.keys import SigningKey
from tests.testkit.roots import Root

__all__ = ["address", "lab", "other_key", "portage", "server", "trusted"]


@pytest.fixture
def web(binhost: Binhost) -> Iterator[Server]:
    with httpd.serve(binhost.pkgdir) as served:
        yield served


def test_a_server_that_is_down_with_an_index_of_before(work: Path, binhost: Binhost, port: int) -> None:
    with httpd.serve(binhost.pkgdir, port) as running:
        client = kit.client(work / "client", binhost, {"tinybin": running.url})
        whitelist(client, "app-misc/hello on")
        client.emerge("-p", "app-misc/hello").ok()
    answer = why(client, "app-misc/hello")
    (trouble,) = answer.value["binrepos"]
    assert trouble["kind"] == "unreachable"
    assert "Connection refused" in trouble["details"][0]
    assert client.run("sh", "-c", trouble["remedies"][0]["command"]).status != 0
    with httpd.serve(binhost.pkgdir, port):
        client.run("sh", "-c", trouble["remedies"][0]["command"]).ok()
        assert client.emerge("-p", "app-misc/hello").ok().binaries() == {HELLO}


def broken(client: Root, text: str) -> str:
    """Append ``text`` to binrepos.conf; returns what was there."""
    before = (client.path / "etc/portage/binrepos.conf").read_text()
    client.etc("binrepos.conf", before + text)
    return before


def test_nobody_knows_what_a_server_has_that_was_never_up(work: Path, binhost: Binhost) -> None:
    client = kit.client(work / "client", binhost, {"tinybin": "http://127.0.0.1:1"})
    whitelist(client, "app-misc/hello on")
    said = client.emerge("-p", "app-misc/hello").ok().stderr
    answer = why(client, "app-misc/hello")
    assert (answer.package(HELLO)["candidates"], answer.value["unknown"]) == ([], ["tinybin"])
    (trouble,) = answer.value["binrepos"]
    assert trouble["kind"] == "unreachable"
    look, edit = trouble["remedies"]
    assert (look["look"], look["command"].split()[0]) == (True, "wget"), "a look is no way out"
    assert (edit["look"], edit["command"].split()[0]) == (False, "${EDITOR:-nano}")
    assert all(line in said for line in answer.value["said"])
    assert "!!! [tinybin] Error fetching binhost package info from 'http://127.0.0.1:1'" in answer.value["said"]
    done = client.run("portage-ext", "why", "app-misc/hello")
    assert done.status == 3
    assert "unknown whether [tinybin] has a binary of it" in done.stdout
    assert "no binhost and no PKGDIR" not in done.stdout
    assert "Error fetching binhost package info" in done.stderr
    client.etc("binrepos.conf", "")
    done = client.run("portage-ext", "why", "app-misc/hello").ok()
    assert "no binhost is configured, and PKGDIR has no binary of it" in done.stdout


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [("[tinybin]\nsync-uri = x\n", 7, "uses none of binrepos.conf"), ("[other]\npriority = 1\n", 7, "[other] has no sync-uri")],
    ids=["a section twice", "no sync-uri"],
)
def test_a_mistake_in_binrepos_conf_is_shown_and_where(
    work: Path, binhost: Binhost, web: Server, text: str, place: int, words: str
) -> None:
    client = kit.client(work / "client", binhost, {"tinybin": web.url})
    whitelist(client, "app-misc/hello on")
    before = broken(client, text)
    answer = why(client, "app-misc/hello")
    (trouble,) = answer.value["binrepos"]
    assert (trouble["kind"], words in trouble["text"]) == ("unread", True)
    (remedy,) = trouble["remedies"]
    # What a person does in the editor.
    (work / "editor").write_text(f'#!/bin/sh\ntest "$1" = +{place} && cp {work}/before "$2"\n')
    (work / "editor").chmod(0o755)
    (work / "before").write_text(before)
    client.run("sh", "-c", remedy["command"], EDITOR=str(work / "editor")).ok()
    assert client.emerge("-p", "app-misc/hello").ok().binaries() == {HELLO}


def test_an_index_that_portage_cannot_use(work: Path, binhost: Binhost) -> None:
    served = work / "served"
    served.mkdir()
    (served / "Packages").write_text((binhost.pkgdir / "Packages").read_text().replace("VERSION: 0", "VERSION: 9"))
    with httpd.serve(served) as running:
        client = kit.client(work / "client", binhost, {"tinybin": running.url})
        answer = why(client, "app-misc/hello", "--", "-g")
    (trouble,) = answer.value["binrepos"]
    assert (trouble["kind"], "has a version that is not supported: '9'" in trouble["text"]) == ("unusable", True)
    assert answer.value["unknown"] == ["tinybin"]


@pytest.mark.parametrize(
    ("file", "text", "line"),
    [
        ("make.conf", 'USE="foo\n', ": No closing quotation. Correct the file; no default is used in its place."),
        ("binrepos.conf", "fetchcommand = wget 50%\n", "write a percent sign as %%"),
        ("binrepos.conf", "[bad]\nsync-uri = http://[::1\n", "http://[::1 is not an address"),
    ],
    ids=["make.conf without an end", "a bare percent sign", "no address"],
)
def test_configuration_that_portage_dies_of_is_one_line(
    work: Path, binhost: Binhost, web: Server, file: str, text: str, line: str
) -> None:
    client = kit.client(work / "client", binhost, {"tinybin": web.url})
    path = client.path / "etc/portage" / file
    path.write_text(path.read_text().rstrip("\n") + "\n" + text)
    assert "Traceback" in client.emerge("-pg", "app-misc/hello").stderr
    done = client.run("portage-ext", "why", "app-misc/hello", "--", "-g")
    assert (done.status, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert f"portage-ext why: {path}:" in done.stderr
    assert line in done.stderr


def test_an_expired_release(lab: Lab) -> None:
    now = int(time.time())
    lab.client.emerge("-p", "app-misc/flags").ok()
    lab.publish(created=now - 7200, expires=now - 3600)
    assert lab.client.emerge("-p", "app-misc/flags").status != 0
    answer = why(lab.client, "app-misc/flags")
    assert "refused" in answer.kinds(FLAGS)
    reason = answer.reason(FLAGS, "refused")
    assert "[expired-release]" in reason["text"]
    (remedy,) = reason["remedies"]
    assert remedy["where"] == "binhost"
    options = f"--pkgdir {lab.directory} --key {lab.key.fingerprint} --homedir {lab.key.home}"
    lab.client.run("sh", "-c", f"{remedy['command']} {options}").ok()
    assert lab.client.emerge("-p", "app-misc/flags").ok().binaries() == {FLAGS}


def test_a_release_of_another_key(lab: Lab, other_key: SigningKey) -> None:
    lab.publish(other_key)
    answer = why(lab.client, "app-misc/flags")
    (trouble,) = answer.value["binrepos"]
    assert (trouble["kind"], trouble["remedies"][0]["command"]) == ("refused", "portage-ext trust list")
    assert other_key.fingerprint[-16:] in trouble["details"][0]
