"""With a Portage that nobody has tested, every command ends in clear words, and says what is off and what to do."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.system.whitelist.whitelisting import FLAGS, HELLO, whitelist
from tests.testkit.environments import CHECKOUT, SUPPORTED
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

OLD = {
    "3.0.60": "BinRepoConfig.location is not there",
    "3.0.70": "BinRepoConfig.verify_signature is not there",
    "3.0.76": "",
}
"""Portages that came before the supported ones, and what `check` must find; `make test-unknown` runs them."""
AREAS = {"Portage", "index", "hooks", "last runs", "disk", "configuration", "keyring"}
RESUMING = "def _loadResumeCommand(self, resume_data, "
REBUILT = """
_before = backtrack_depgraph

def backtrack_depgraph(configuration, *more, **named):
    return _before(configuration, *more, **named)
"""
UPGRADE = "emerge -1u app-portage/portage-ext sys-apps/portage"


@pytest.fixture
def made_up(work: Path, client: Root) -> Callable[..., str]:
    """A copy of the client's Portage under another version number, ``rebuilt`` or not."""

    def make(version: str, *, rebuilt: bool = False) -> str:
        copy = work / "portage"
        for name in ("portage", "_emerge"):
            # With its bytecode, but for what another worker writes just now.
            ignored = shutil.ignore_patterns("*.pyc.*", "tests")
            shutil.copytree(client.environment.site_packages / name, copy / name, ignore=ignored)
        own = copy / "portage/__init__.py"
        own.write_text(own.read_text().replace(f'VERSION = "{client.environment.version}"', f'VERSION = "{version}"'))
        graph = copy / "_emerge/depgraph.py"
        if rebuilt:
            graph.write_text(graph.read_text().replace(RESUMING, RESUMING.replace("resume_data", "resumed")) + REBUILT)
        return str(copy)

    return make


def asked(root: Root, *words: str, **variables: str) -> Outcome:
    outcome = root.run("portage-ext", *words, **variables)
    assert "Traceback" not in outcome.stderr, outcome
    return outcome


def checked(root: Root, **variables: str) -> dict[str, dict[str, Any]]:
    told = json.loads(asked(root, "check", "--json", **variables).stdout)
    areas = {area["name"]: area for area in told["areas"]}
    assert areas.keys() >= AREAS
    return areas


def set_up(root: Root, **variables: str) -> Outcome:
    script = str(CHECKOUT / "setup_hooks.sh")
    return root.run("bash", script, "--root", str(root.path), "--yes", "--role", "binhost", "--timer", "none", **variables)


def said(run: Outcome) -> list[str]:
    return [line for line in run.stderr.splitlines() if line.startswith("portage-ext")]


def test_a_later_portage_that_was_rebuilt_is_an_error_with_what_is_off_and_what_to_do(
    client: Root, made_up: Callable[..., str]
) -> None:
    path = made_up("3.1", rebuilt=True)
    order = "toolchain order is off: depgraph._loadResumeCommand takes self, resumed, "
    why = "`portage-ext why` cannot work: _emerge.depgraph.backtrack_depgraph takes configuration"
    portage = checked(client, PYTHONPATH=path)["Portage"]
    texts = [finding["what"] for finding in portage["findings"]]
    begins = (order, why, why.replace("why", "graph", 1))
    assert [sum(text.startswith(begin) for text in texts) for begin in begins] == [1, 1, 1], texts
    for finding in portage["findings"]:
        assert finding["severity"] == "error"
        assert "knows Portage 3.1" in finding["remedy"]
        assert UPGRADE in finding["remedy"]
    assert asked(client, "check", PYTHONPATH=path).stdout.count("do: install a portage-ext that knows") == 1

    (line,) = asked(client, "why", "app-misc/hello", PYTHONPATH=path).failed().stderr.splitlines()
    assert line.startswith(f"portage-ext why: {why}")
    assert "tinybin" in asked(client, "status", PYTHONPATH=path).ok().stdout

    whitelist(client, "app-misc/hello on")
    run = client.emerge("-p", "app-misc/hello", "app-misc/flags", PYTHONPATH=path).ok()
    assert run.plan() == {HELLO: "binary", FLAGS: "ebuild"}
    assert [one.startswith(f"portage-ext: {order}") for one in said(run)] == [True], run

    refused = set_up(client, PYTHONPATH=path).failed()
    assert "does not know Portage 3.1:\n" in refused.stderr
    assert "\n  toolchain order is off: " in refused.stderr
    assert "To go on, install a portage-ext that knows Portage 3.1" in refused.stderr
    assert not (client.path / "var/lib/portage-ext").exists()


def test_a_portage_that_nobody_has_tested_and_that_works_is_a_note(client: Root, made_up: Callable[..., str]) -> None:
    path = made_up("3.0.80")
    portage = checked(client, PYTHONPATH=path)["Portage"]
    assert portage["findings"] == []
    assert "not tested with 3.0.80" in portage["summary"]
    run = set_up(client, PYTHONPATH=path).ok()
    assert "not tested with 3.0.80" in run.stdout


@pytest.mark.skipif(os.environ.get("UNKNOWN_PORTAGES") != "all", reason="slow; make test-unknown")
@pytest.mark.parametrize("version", OLD)
def test_an_earlier_portage(new_client: Callable[..., Root], version: str) -> None:
    client = new_client(version=version)
    whitelist(client, "app-misc/hello on")
    areas = checked(client)
    text = " ".join(finding["what"] for finding in areas["Portage"]["findings"])
    assert f"not tested with {version}" in areas["Portage"]["summary"]
    assert SUPPORTED[0] in areas["Portage"]["summary"]
    status, why, run = (
        asked(client, "status").ok(),
        asked(client, "why", "app-misc/hello"),
        client.emerge("-p", "app-misc/hello"),
    )
    assert run.status == 0, run
    if not OLD[version]:
        assert text == ""
        assert why.status == 0, why
        assert said(run) == []
        assert run.plan() == {HELLO: "binary"}
        assert "tinybin" in status.stdout
        set_up(client).ok()
        return
    assert OLD[version] in text
    assert f"binhosts in binrepos.conf cannot be read: {OLD[version]}" in areas["binrepos.conf"]["findings"][0]["what"]
    assert len(said(status)) == 1
    assert OLD[version] in said(status)[0]
    (line,) = why.failed().stderr.splitlines()
    assert "`portage-ext why` cannot work: " in line
    assert run.plan() == {HELLO: "ebuild"}
    assert ["the whitelist in package.env is off: " in one for one in said(run)] == [True], run
    refused = set_up(client).failed()
    assert f"does not know Portage {version}:" in refused.stderr
    assert UPGRADE in refused.stderr
    assert not (client.path / "var/lib/portage-ext").exists()
