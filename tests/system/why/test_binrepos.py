"""Why nothing comes from a binrepo as a whole: it cannot be reached, or its index is refused."""

from __future__ import annotations

import time
from pathlib import Path

from tests.system.attacks.conftest import lab, other_key, portage, trusted
from tests.system.attacks.lab import Lab
from tests.system.whitelist.whitelisting import FLAGS, HELLO, whitelist
from tests.system.why.asking import why
from tests.testkit import binhost as kit
from tests.testkit import httpd
from tests.testkit.binhost import Binhost
from tests.testkit.keys import SigningKey

__all__ = ["lab", "other_key", "portage", "trusted"]


def test_a_server_that_is_down_with_an_index_of_before(work: Path, binhost: Binhost, port: int) -> None:
    with httpd.serve(binhost.pkgdir, port) as server:
        client = kit.client(work / "client", binhost, {"tinybin": server.url})
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


def test_a_server_that_is_down_and_was_never_up(work: Path, binhost: Binhost) -> None:
    client = kit.client(work / "client", binhost, {"tinybin": "http://127.0.0.1:1"})
    answer = why(client, "app-misc/hello")
    assert answer.package(HELLO)["candidates"] == []
    assert [one["kind"] for one in answer.value["binrepos"]] == ["unreachable"]


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
