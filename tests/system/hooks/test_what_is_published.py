"""What happens by itself does not undo what a person did, and does not publish what an accident left: real emerge, real gpg."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.system.hooks import afterwards
from tests.system.hooks.afterwards import arrive, published, said, unsigned
from tests.system.publish import site
from tests.system.publish.site import Host
from tests.testkit import httpd, keys
from tests.testkit.binhost import Binhost
from tests.testkit.keys import SigningKey

OFF = '\n[binhost]\nafter-emerge = "off"\n'
HELD = re.compile(
    r"staging is held at release 1 \(rolled back \d{4}-\d\d-\d\d \d\d:\d\d UTC by \w+\), until you run portage-ext publish"
)


@pytest.fixture
def host(work: Path, binhost: Binhost, key: SigningKey) -> Host:
    return afterwards.building(work, binhost, key)


# --- a rollback


def test_a_rollback_is_held_until_a_person_publishes(host: Host) -> None:
    arrive(host, "flags-2.0-1")
    arrive(host, "hello-1.1-1")
    back = json.loads(host.run("rollback", "staging", "--json").ok().stdout)
    assert (back["channel"], back["published"]) == ("staging", True)
    run = host.root.emerge("-B", "app-misc/slotted:1").ok()
    assert said(run)[0].startswith("portage-ext: 1 package signed and indexed, not published: staging is held"), run
    assert HELD.search(said(run)[0]), run
    assert published(host) == {"flags-2.0-1"}
    assert "PATH: app-misc/slotted/slotted-1.5-1.gpkg.tar" in (host.root.pkgdir / "Packages").read_text()
    assert not unsigned(host)
    assert not afterwards.open_marks(host)
    for command in (("releases",), ("publish", "--renew"), ("publish", "--unless-held"), ("after-emerge",)):
        told = " ".join(host.run(*command).ok().stdout.split())
        assert HELD.search(told) or told == "portage-ext: nothing new in PKGDIR", (command, told)
    status = host.run("status").ok().stdout
    assert "held at release 1 (rolled back" in " ".join(status.split()), status
    held = json.loads(host.run("status", "--json").ok().stdout)["channels"][0]["held"]
    assert HELD.search(f"staging is {held}, until you run portage-ext publish")
    assert published(host) == {"flags-2.0-1"}
    host.run("publish").ok()
    assert published(host) == {"flags-2.0-1", "hello-1.1-1", "slotted-1.5-1"}
    run = host.root.emerge("-B", "app-misc/slotted:2").ok()
    assert "published as release 5 of staging" in run.stderr, run


# --- losses


@pytest.mark.slow
def test_a_pkgdir_that_is_not_mounted_is_not_published(host: Host) -> None:
    host.root.emerge("-1", "app-misc/flags", "app-misc/hello").ok()
    aside = host.root.pkgdir.with_name("mounted")
    host.root.pkgdir.rename(aside)
    host.root.pkgdir.mkdir()
    run = host.root.emerge("-1", "app-misc/slotted:1").failed()
    assert "app-misc/slotted-1.5" in host.root.installed()
    assert "staging serves 2 packages, and the new release would offer 1. Nothing was published" in said(run)[0], run
    assert published(host) == {"flags-2.0-1", "hello-1.1-1"}
    shutil.copytree(aside, host.root.pkgdir, dirs_exist_ok=True)
    host.run("after-emerge").ok()
    assert published(host) == {"flags-2.0-1", "hello-1.1-1", "slotted-1.5-1"}


def test_a_pkgdir_that_somebody_emptied_is_not_published_unless_it_is_meant(host: Host) -> None:
    arrive(host, "flags-2.0-1", "hello-1.1-1")
    host.remove("app-misc/*/*.gpkg.tar")
    run = host.root.emerge("-B", "app-misc/slotted:1").failed()
    assert "lists 2 packages, but the new index would list 1" in said(run)[0], run
    assert published(host) == {"flags-2.0-1", "hello-1.1-1"}
    host.run("after-emerge", "--force").ok()
    assert published(host) == {"slotted-1.5-1"}


@pytest.mark.slow
def test_one_package_of_three_may_go(host: Host) -> None:
    host.root.emerge("-B", "app-misc/flags", "app-misc/hello", "app-misc/slotted:1").ok()
    host.remove("app-misc/hello/*.gpkg.tar")
    host.root.emerge("-B", "app-misc/slotted:2").ok()
    assert published(host) == {"flags-2.0-1", "slotted-1.5-1", "slotted-2.5-1"}


# --- keys


def doubt(host: Host) -> None:
    """Let Portage's keyring have the key, and not trust it."""
    shutil.rmtree(host.gnupg)
    host.gnupg.mkdir(mode=0o755)
    (host.gnupg / "gpg.conf").write_text("lock-never\nno-permission-warning\n")
    keys.gpg(host.gnupg, "--import", stdin=host.key.public())
    keys.gpg(host.gnupg, "--check-trustdb")
    keys.kill_agents(host.gnupg)
    for path in host.gnupg.iterdir():
        path.chmod(0o644)


@pytest.mark.slow
def test_a_first_release_without_the_packages_that_gpg_does_not_trust_is_refused(work: Path, host: Host) -> None:
    host.configure(more=OFF)
    host.root.emerge("-B", "app-misc/flags", "app-misc/hello").ok()
    host.run("sign", "--config-root", str(host.root.path)).ok()
    doubt(host)
    for path in (*host.root.pkgdir.glob("Packages*"), host.root.pkgdir / ".portage-ext.sqlite"):
        path.unlink()
    host.configure(more=afterwards.PUBLISH)
    for refused in (host.run("publish").failed(), host.run("after-emerge").failed()):
        for word in (
            "staging serves nothing yet, and the new release would offer 0; 2 packages of PKGDIR would be left out: ",
            f"signed by {host.key.fingerprint}, which the verification keyring has but does not trust",
            "--import-ownertrust",
        ):
            assert word in refused.stderr, refused
        assert not (host.tree / "staging").exists()
    # Where emerge has indexed them already, the index is what most would be lost of.
    run = host.root.emerge("-B", "app-misc/slotted:1").failed()
    assert "does not trust" in said(run)[0], run
    assert not (host.tree / "staging").exists()
    shutil.rmtree(host.gnupg)
    keys.trust(host.gnupg, host.key)
    assert "published as release 1" in host.run("after-emerge").ok().stdout
    assert published(host) == {"flags-2.0-1", "hello-1.1-1", "slotted-1.5-1"}


def test_an_empty_release_goes_live_only_where_it_is_meant(host: Host) -> None:
    doubt(host)
    host.root.emerge("-B", "app-misc/flags").failed()
    assert not (host.tree / "staging").exists()
    host.run("publish", "--force").ok()
    assert published(host) == set()
    (host.tree / "staging").unlink()
    toml = host.root.path / "etc/portage/portage-ext.toml"
    toml.write_text(toml.read_text().replace("[publish]\n", "[publish]\nmay-be-empty = true\n"))
    host.run("publish").ok()
    assert published(host) == set()


@pytest.mark.slow
def test_what_was_indexed_unsigned_is_signed_by_the_next_emerge(host: Host) -> None:
    host.configure(more=OFF)
    host.root.emerge("-B", "app-misc/flags").ok()
    host.run("reindex").ok()
    host.configure(more=afterwards.PUBLISH)
    run = host.root.emerge("-B", "app-misc/hello").ok()
    assert said(run)[0].startswith("portage-ext: 2 packages signed and indexed, published as release 1 of staging"), run
    assert published(host) == {"flags-2.0-1", "hello-1.1-1"}
    assert not unsigned(host)


@pytest.mark.slow
def test_a_new_key_signs_everything_at_the_next_emerge(work: Path, host: Host) -> None:
    host.root.emerge("-B", "app-misc/flags").ok()
    old, host.key = host.key, keys.new_key(work / "new")
    try:
        keys.trust(host.gnupg, host.key)
        host.configure(more=afterwards.PUBLISH)
        host.root.emerge("-B", "app-misc/hello").ok()
        assert published(host) == {"flags-2.0-1", "hello-1.1-1"}
        assert not unsigned(host)
    finally:
        keys.kill_agents(host.key.home)
        host.key = old


@pytest.mark.slow
def test_the_gate_tells_a_publisher_what_a_publisher_can_do(host: Host) -> None:
    host.configure(more=OFF)
    host.root.emerge("-B", "app-misc/flags", "app-misc/hello").ok()
    refused = host.run("publish").failed()
    assert "[signatures] 2 packages: its Manifest is not signed [unsigned] (such as app-misc/" in refused.stderr, refused
    assert "portage-ext sign" in refused.stderr
    assert "another mirror" not in refused.stderr
    assert "Somebody" not in refused.stderr


# --- xpak


@pytest.mark.slow
def test_the_guide_from_xpak_to_gpkg(work: Path, host: Host) -> None:
    """docs/xpak-to-gpkg.md, followed: packages of before are one line, and become gpkgs without a compiler."""
    host.configure(more=OFF)
    names = ("app-misc/flags", "app-misc/hello")
    host.root.emerge("-1", *names, BINPKG_FORMAT="xpak").ok()
    assert len(list(host.root.pkgdir.glob("app-misc/*/*.xpak"))) == 2
    refused = host.run("publish").failed()
    assert refused.stderr.count("xpak format cannot be signed") == 1, refused
    assert "[signatures] 2 packages: the xpak format cannot be signed" in refused.stderr
    assert host.run("sign", "--config-root", str(host.root.path)).failed().stderr.count("xpak format cannot be signed") == 1
    host.configure(more=afterwards.PUBLISH)
    run = host.root.emerge("-B", "app-misc/slotted:1", BINPKG_FORMAT="gpkg").failed()
    assert said(run)[0].count("2 packages: the xpak format cannot be signed") == 1, run
    assert not (host.tree / "staging").exists()

    made = host.root.run("quickpkg", *names, BINPKG_FORMAT="gpkg").failed()
    assert said(made)[0].count("2 packages: the xpak format cannot be signed") == 1, made
    assert "published as release 1 of staging" in said(made)[0], made
    host.remove("app-misc/*/*.xpak")
    assert "FAILED" not in host.run("after-emerge").ok().stdout
    assert len(published(host)) == 3
    assert not unsigned(host)
    with httpd.serve(host.tree) as server:
        client = site.client(work, host, f"{server.url}/staging")
        client.emerge("-1", "--getbinpkgonly", *names).ok()
    assert set(client.merged().values()) == {"binary"}


@pytest.mark.slow
def test_a_few_packages_of_the_old_format_do_not_keep_back_the_others(host: Host) -> None:
    arrive(host, "hello-1.1-1", "slotted-1.5-1")
    run = host.root.emerge("-B", "app-misc/flags", BINPKG_FORMAT="xpak").failed()
    assert "1 package of " in said(run)[0], run
    run = host.root.emerge("-B", "app-misc/slotted:2").failed()
    assert "1 package signed and indexed, published as release 2 of staging" in said(run)[0], run
    assert published(host) == {"hello-1.1-1", "slotted-1.5-1", "slotted-2.5-1"}
    toml = host.root.path / "etc/portage/portage-ext.toml"
    toml.write_text(toml.read_text().replace('gates = ["index", "signatures"]', 'gates = ["index"]'))
    assert "published as release 3" in host.run("after-emerge").ok().stdout, "who wants no signatures has them all"
    assert len(published(host)) == 4
