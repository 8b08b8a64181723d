"""What show says of packages that real emerge built, signed and installed, and of files that nobody should have made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.system.attacks.lab import flip
from tests.system.check.conftest import Pair
from tests.testkit import binpkgs
from tests.testkit.roots import Root

FLAGS = "app-misc/flags/flags-2.0-1.gpkg.tar"


def told(root: Root, what: str, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in root.run("portage-ext", "show", what, "--json", *words).stdout.splitlines()]


def test_a_file_with_its_use_flags_files_and_the_binrepo_whose_key_signed_it(pair: Pair) -> None:
    path = pair.host.root.pkgdir / FLAGS
    (one,) = told(pair.client, str(path), "--files")
    assert one["metadata"]["CATEGORY"] == "app-misc"
    assert one["metadata"]["PF"] == "flags-2.0"
    assert one["size"] == path.stat().st_size
    assert one["damage"] == ""
    assert one["files"] == [name for name in one["files"] if name.startswith("/")] != []
    key = pair.host.key.fingerprint
    assert [(s["verdict"], s["primary"], s["pinned"]) for s in one["signatures"]] == [("good", key, ["lab"])]
    text = pair.client.run("portage-ext", "show", str(path)).ok().stdout
    assert "USE        -bar foo" in text
    assert f"good, by {key} (pinned for" in text


def test_what_is_installed_and_what_lies_in_pkgdir_under_one_atom(pair: Pair) -> None:
    pair.client.emerge("-1", "app-misc/flags").ok()
    (installed,) = told(pair.client, "app-misc/flags")
    assert installed["package"] == "app-misc/flags-2.0 (installed)"
    assert installed["files"]
    for path in installed["files"]:
        assert Path(path).exists()
    both = told(pair.host.root, "app-misc/flags")
    assert sorted(Path(one["path"]).name for one in both) == ["flags-1.0-1.gpkg.tar", "flags-2.0-1.gpkg.tar"]


def test_a_key_that_nobody_pinned_and_one_that_nobody_has(pair: Pair) -> None:
    path = pair.host.root.pkgdir / FLAGS
    (one,) = told(pair.host.root, str(path))
    assert one["signatures"][0]["pinned"] == []
    stranger = Root.create(pair.client.path.with_name("stranger"), pair.client.environment, pair.client.repositories)
    (one,) = told(stranger, str(path))
    assert (one["signatures"][0]["verdict"], one["signatures"][0]["fingerprint"]) == ("unchecked", "")
    assert "(unknown key)" in " ".join(stranger.run("portage-ext", "show", str(path)).ok().stdout.split())


def test_a_file_that_is_not_what_its_manifest_says(pair: Pair) -> None:
    path = pair.host.root.pkgdir / FLAGS
    copy = pair.client.path / path.name
    copy.write_bytes(path.read_bytes())
    flip(copy, lambda size: copy.read_bytes().find(b"image.tar") + 600)
    outcome = pair.client.run("portage-ext", "show", str(copy)).failed()
    assert outcome.status == 1
    assert "does not match the Manifest" in outcome.stdout
    assert "Traceback" not in outcome.stderr


def test_what_a_terminal_would_obey_is_not_printed(client: Root) -> None:
    values = binpkgs.metadata(LICENSE="\x1b]0;owned\x07\x1b[31mGPL-2")
    path = binpkgs.put(client.path, "foo-1-1.gpkg.tar", binpkgs.gpkg(values))
    outcome = client.run("portage-ext", "show", str(path)).ok()
    assert "\x1b" not in outcome.stdout
    assert "\x07" not in outcome.stdout
    assert "GPL-2" in outcome.stdout
    assert "signature  none" in outcome.stdout


def test_an_xpak_is_shown_too(client: Root) -> None:
    path = binpkgs.put(client.path, "foo-1.tbz2", binpkgs.xpak())
    assert "app-misc/foo-1:0" in client.run("portage-ext", "show", str(path)).ok().stdout


@pytest.mark.parametrize("what", ["app-misc/none", "=", "nothing/../here"])
def test_what_is_not_there_is_one_line(client: Root, what: str) -> None:
    outcome = client.run("portage-ext", "show", what).failed()
    assert outcome.status == 1, outcome
    assert outcome.stderr.count("\n") == 1
    assert "usage:" not in outcome.stderr
