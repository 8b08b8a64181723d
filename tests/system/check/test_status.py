"""What status says of a binhost and of its client."""

from __future__ import annotations

import json
import re

from portage_ext.unattended import log
from portage_ext.unattended.log import Run
from tests.system.check.conftest import Pair


def test_a_binhost_names_its_channels_and_what_the_last_runs_did(pair: Pair) -> None:
    root = pair.host.root
    log.append(root.path, Run(1_700_000_000, "after-emerge", True, "production: release 1", 1, 2.5))
    log.append(root.path, Run(1_700_000_100, "after-emerge", False, "evil \x1b[31m line"))
    told = json.loads(root.run("portage-ext", "status", "--json").ok().stdout)
    (channel,) = told["channels"]
    assert (channel["channel"], channel["release"], channel["tree"]) == ("production", 1, str(pair.host.tree))
    assert channel["packages"] == len(list(root.pkgdir.rglob("*.gpkg.tar")))
    assert [(run["what"], run["ok"], run["release"]) for run in told["runs"]] == [
        ("after-emerge", True, 1),
        ("after-emerge", False, None),
    ]
    text = root.run("portage-ext", "status").ok().stdout
    assert "production  release 1" in text
    assert "FAILED" in text
    assert "\x1b" not in text
    assert all(len(line) <= 80 or len(line.split()) == 1 for line in text.splitlines()), text


def test_a_client_names_what_it_follows_and_pins_and_what_has_expired(pair: Pair) -> None:
    before = json.loads(pair.client.run("portage-ext", "status", "--json").ok().stdout)["followed"]
    assert [(one["binrepo"], one["release"], one["pinned"]) for one in before] == [("lab", None, [pair.host.key.fingerprint])]
    pair.client.emerge("-1", "app-misc/flags").ok()
    (after,) = json.loads(pair.client.run("portage-ext", "status", "--json").ok().stdout)["followed"]
    assert (after["release"], after["channel"], after["trusted"]) == (1, "production", [pair.host.key.fingerprint])
    assert "release 1" in pair.client.run("portage-ext", "status").ok().stdout
    state = pair.client.path / "var/lib/portage-ext"
    for path in state.rglob("*.json"):
        path.write_text(re.sub(r'("expires": ?)\d+', r"\g<1>1700000000", path.read_text()))
    for path in (pair.client.path / "etc/portage/binrepos.conf").iterdir():
        path.unlink()
    text = pair.client.run("portage-ext", "status").ok().stdout
    assert "  lab  release 1  EXPIRED 2023-11-14  1 key pinned; binrepos.conf does not have" in text


def test_a_host_with_nothing_says_so(pair: Pair) -> None:
    text = pair.client.run("portage-ext", "status").ok().stdout
    assert text.startswith("published here\n  nothing\nfollowed\n  lab  none seen yet ")
    assert "1 key pinned; http" in text
    assert text.endswith("last runs\n  none\n")
