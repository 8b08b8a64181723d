"""`portage-ext check` looks at repositories that a sync makes; what it names is mended by its remedy, and gone."""

from __future__ import annotations

import json
from pathlib import Path

from portage_ext.repositories import history
from tests.system.repositories.overlays import Client, Overlay
from tests.testkit import httpd
from tests.testkit.pypi import PythonIndex


def told(client: Client, area: str) -> tuple[str, list[str]]:
    """The summary of an area of check, and what it finds there."""
    values = json.loads(client.root.run("portage-ext", "check", "--json", **client.variables()).stdout)
    (found,) = [one for one in values["areas"] if one["name"] == area]
    return found["summary"], [one["what"] for one in found["findings"]]


def test_age_refusals_and_names_that_wait(client: Client, guru: Overlay, work: Path) -> None:
    client.main.write("eclass/outer.eclass", "# another one\n")
    client.configure(guru)
    client.list("app-misc/keyd::guru", "app-misc/stranger::guru", "app-misc/gone::guru")
    assert told(client, "repository guru") == ("not there", ["it has never been synced"])
    client.sync().ok()
    summary, found = told(client, "repository guru")
    assert summary.startswith("1 package, synced ")
    assert found == [
        "1 name refused, or left at what an earlier sync made: app-misc/keyd",
        "1 listed package moved or not in the overlay: app-misc/gone",
    ]
    client.list("app-misc/stranger::guru")
    assert told(client, "repository guru")[1] == found[:1]
    client.sync().ok()
    assert told(client, "repository guru")[1] == []
    history.succeeded(client.root.path, "guru", 1_000_000_000)
    assert "it was last synced" in told(client, "repository guru")[1][0]
    guru.location.rename(guru.location.with_name("away"))
    client.sync().failed()
    assert "failed: the overlay was not fetched" in told(client, "repository guru")[1][0]

    index = PythonIndex(work / "index")
    index.release("top", "1", requires=("lib",))
    index.release("lib", "1")
    (client.root.path / "etc/overlayman/pypi").mkdir()
    (client.root.path / "etc/overlayman/pypi/packages").write_text("top\n")
    with httpd.serve(index.location) as server:
        client.configure(f"{server.url}/simple/", "made", sync_type="pypi")
        assert "no sync has made this repository yet" in client.root.run("portage-ext", "pypi", "list").failed().stderr
        client.sync("made").ok()
        waiting = "1 new name in what your projects need, waiting for your consent: lib"
        refused = "1 name refused, or left at what an earlier sync made: top"
        assert told(client, "repository made")[1] == [waiting, refused]
        client.root.run("portage-ext", "pypi", "--repository", "made", "confirm", "lib").ok()
        client.sync("made").ok()
    assert told(client, "repository made")[1] == []
    client.sync("made").failed()
    assert "failed" in told(client, "repository made")[1][0]
