"""What breaks with time and use: it is broken really, seen, mended by the remedy, and gone."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from portage_ext import __version__
from portage_ext.unattended import log
from portage_ext.unattended.log import Run
from tests.system.check.conftest import DAY, Pair, findings, follow, healthy, one
from tests.testkit import binpkgs, keys


def digests(*places: Path) -> dict[str, str]:
    files = [path for place in places for path in sorted(place.rglob("*")) if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_nothing_is_changed(pair: Pair) -> None:
    places = (pair.client.path, pair.host.root.path, pair.host.tree)
    before = digests(*places)
    healthy(pair.client)
    healthy(pair.host.root)
    assert digests(*places) == before


def test_a_binhost_that_does_not_answer(pair: Pair) -> None:
    pair.web.close()
    found = one(pair.client, "binhost lab", "Connection refused")
    assert f"curl -I {pair.url}/production/Packages" in found["remedy"]


def test_a_mirror_that_accepts_and_then_is_silent(pair: Pair) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/lab"
        pair.client.etc("portage-ext.toml", f'[binrepo.lab]\nmirrors = ["{url}"]\n')
        one(pair.client, "mirror 1 of lab", url)
    pair.client.etc("portage-ext.toml", "")
    healthy(pair.client)


def test_an_address_at_which_there_is_no_binhost(pair: Pair) -> None:
    pair.client.run("portage-ext", "trust", "remove", "lab").ok()
    pair.client.etc("portage-ext.toml", '[binrepo.lab]\nrelease = "optional"\n')
    path = pair.client.path / "etc/portage/binrepos.conf/lab.conf"
    path.write_text(path.read_text().replace("/production", "/productoin"))
    assert "404" in findings(pair.client)["binhost lab"][0]["what"]
    path.write_text(path.read_text().replace("/productoin", "/production"))
    assert "binhost lab" not in findings(pair.client)


def test_a_mirror_that_is_behind_and_one_that_is_not_there(pair: Pair, work: Path) -> None:
    root = pair.host.root
    pair.host.configure(more=f'\n[mirror.eu]\nto = "{work}/mirror"\n')
    found = one(root, "push to eu", "production", "the mirror has none")
    follow(root, found)
    healthy(root)
    pair.host.configure(more='\n[mirror.eu]\nto = "rsync://127.0.0.1:1/binhost"\n')
    assert one(root, "push to eu", "rsync")["severity"] == "error"
    pair.host.configure()
    healthy(root)


def test_a_release_that_is_not_the_pinned_keys(pair: Pair) -> None:
    (pair.host.tree / "production/Release.asc").write_bytes(b"")
    found = one(pair.client, "binhost lab", "[unsigned]")
    assert "another mirror" in found["remedy"]


def test_a_release_that_nobody_renews_and_a_tree_without_any(pair: Pair) -> None:
    pair.age(-9, 1)
    one(pair.client, "binhost lab", "expires in 24 h")
    found = one(pair.host.root, "releases", "expires in 24 h")
    follow(pair.host.root, found)
    healthy(pair.client)
    healthy(pair.host.root)
    shutil.rmtree(pair.host.tree)
    follow(pair.host.root, one(pair.host.root, "releases", "nothing is published yet"))
    healthy(pair.host.root)


def test_a_release_that_has_expired(pair: Pair) -> None:
    pair.age(-30, -3)
    one(pair.client, "binhost lab", "[expired-release]")
    found = one(pair.host.root, "releases", "expired 3 days ago")
    assert found["severity"] == "error"
    follow(pair.host.root, found)
    healthy(pair.client)
    healthy(pair.host.root)


def test_a_key_that_is_about_to_expire_and_one_that_is_nowhere(pair: Pair) -> None:
    key = pair.host.key
    keys.gpg(key.home, "--pinentry-mode", "loopback", "--passphrase", "", "--quick-set-expire", key.fingerprint, "10d")
    prolonged = pair.client.path / "key.asc"
    prolonged.write_bytes(key.public())
    pair.client.run("portage-ext", "trust", "add", "lab", "--fingerprint", key.fingerprint, "--from", str(prolonged)).ok()
    found = one(pair.client, "keys", key.fingerprint, "expires in 10 days")
    follow(pair.host.root, one(pair.host.root, "keys", "[sign]", "expires in 10 days"))
    healthy(pair.host.root)
    prolonged.write_bytes(key.public())
    follow(pair.client, found, URL=str(prolonged))
    healthy(pair.client)

    root, toml = pair.host.root, pair.host.root.path / "etc/portage/portage-ext.toml"
    text = toml.read_text()
    toml.write_text(text.replace(key.fingerprint, "0" * 40))
    listed = follow(root, one(root, "keys", "[sign] the key 0000", "so nothing can be signed")).stdout.split()
    toml.write_text(text.replace(key.fingerprint, next(word for word in listed if len(word) == 40)))
    healthy(root)


def test_an_index_that_does_not_say_what_is_there(pair: Pair) -> None:
    root = pair.host.root
    package = next(root.pkgdir.glob("app-misc/hello/*.gpkg.tar"))
    shutil.copy(package, package.with_name("hello-9.0-1.gpkg.tar"))
    assert one(root, "index", "1 package in PKGDIR, but not in the index", "hello-9.0-1")["severity"] == "warning"
    package.with_name("hello-9.0-1.gpkg.tar").unlink()
    healthy(root)
    next(root.pkgdir.glob("net-libs/webkit/*.gpkg.tar")).unlink()
    os.utime(package, (1, 1))
    found = findings(root)["index"]
    assert [
        "1 package in the index, but not in PKGDIR" in found[0]["what"],
        "1 package changed on disk" in found[1]["what"],
    ] == [True, True]
    assert {one["remedy"] for one in found} == {"portage-ext reindex"}
    follow(root, found[0])
    healthy(root)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={1 << 20}", "tmpfs", str(place)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("may not mount here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize(("left", "severity"), [(50_000, "warning"), (0, "error")])
def test_a_disk_that_is_full(pair: Pair, small: Path, left: int, severity: str) -> None:
    pair.client.settings["PKGDIR"] = str(small)
    pair.client.write_settings()
    healthy(pair.client)
    filler = small / "filler"
    filler.write_bytes(b"x" * ((1 << 20) - left))
    assert one(pair.client, "disk", str(small), "free")["severity"] == severity
    filler.unlink()
    healthy(pair.client)


def test_a_disk_that_is_filled_with_what_nothing_keeps(pair: Pair, small: Path) -> None:
    pair.client.settings["PKGDIR"] = str(small)
    pair.client.write_settings()
    data = binpkgs.gpkg(binpkgs.metadata("app-misc/gone-1", BUILD_ID="1"), image=random.Random(1).randbytes(945_000))
    binpkgs.put(small, "app-misc/gone/gone-1-1.gpkg.tar", data)
    found = next(iter(findings(pair.client)["disk"]))
    ways = found["remedy"].partition(": ")[2]
    follow(pair.client, found | {"remedy": ways})
    healthy(pair.client)


def test_hooks_that_are_gone_or_changed(pair: Pair) -> None:
    root = pair.client
    (root.path / "etc/portage/bashrc").unlink()
    none = one(root, "hooks", "no hooks are installed")
    # Nobody is there to say yes; the name of the binrepo that is there already.
    follow(root, none, "--yes", "--name", "lab", URL=f"{pair.url}/production", FPR=pair.host.key.fingerprint)

    manifest = (root.path / "var/lib/portage-ext/setup/manifest").read_text().splitlines()
    files = [line.split("\t")[2] for line in manifest if line.startswith("file\t") and ".bash" in line]
    hook = root.path / files[0]
    text = hook.read_bytes()
    hook.unlink()
    follow(root, one(root, "hooks", f"put them in place: /{files[0]}"), "--yes")
    assert hook.read_bytes() == text
    hook.write_bytes(text + b"# mine\n")
    found = one(root, "hooks", f"changed since portage-ext setup put them in place: /{files[0]}")
    assert found["severity"] == "warning"
    hook.unlink()
    follow(root, found | {"remedy": found["remedy"].partition("and then run: ")[2]}, "--yes")
    assert hook.read_bytes() == text
    bashrc = root.path / "etc/portage/bashrc"
    ours = bashrc.read_text()
    bashrc.write_text("")
    one(root, "hooks", "put them in place: /etc/portage/bashrc")
    bashrc.write_text(ours)

    choices = root.path / "var/lib/portage-ext/setup/choices"
    choices.write_text(choices.read_text().replace(f"version\t{__version__}\n", "version\t0.0.9\n"))
    follow(root, one(root, "hooks", "put in place by portage-ext 0.0.9"), "--yes")
    healthy(root)


def test_a_run_that_failed_while_nobody_watched(pair: Pair) -> None:
    root = pair.host.root
    for what in ("after-emerge", "postsync"):
        log.append(root.path, Run(1_700_000_000, what, True, "production: release 1"))
        log.append(root.path, Run(1_700_000_000 + DAY, what, False, f"{what} FAILED"))
    both = findings(root)["last runs"]
    assert ["after-emerge FAILED" in both[0]["what"], "postsync FAILED" in both[1]["what"]] == [True, True]
    # What failed is well by now, and there is nothing left to do: that must be an end of it, too.
    for found in both:
        follow(root, found)
    healthy(root)


def test_the_screen_fits_80_columns_and_the_status_says_the_worst(pair: Pair) -> None:
    (pair.client.path / "etc/portage/bashrc").unlink()
    warned = pair.client.run("portage-ext", "check", TERM="xterm")
    assert warned.status == 3
    pair.web.close()
    broken = pair.client.run("portage-ext", "check", TERM="xterm")
    assert broken.status == 1
    for outcome in (warned, broken):
        assert "\x1b" not in outcome.stdout
        commands = [line for line in outcome.stdout.splitlines() if len(line) > 80]
        # What is longer is one word that a person copies: an address, a path.
        assert all(len(line.split()) == 1 for line in commands), commands
