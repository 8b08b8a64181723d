"""`emerge --sync` of a repository with sync-type pick: the listed packages, what they need, and nothing else."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.system.repositories import overlays
from tests.system.repositories.overlays import Client, Overlay
from tests.testkit import daemon, environments, keys, others, portages


def state(client: Client) -> dict[str, tuple[int, int]]:
    """Inode and time of everything in the picked repository."""
    there = [client.picked(), *client.picked().rglob("*")]
    return {str(one): (one.stat().st_ino, one.stat().st_mtime_ns) for one in there}


@pytest.mark.parametrize("version", portages.several("COMPAT_PORTAGES")[:-1])
def test_every_supported_portage_picks(work: Path, guru: Overlay, version: str) -> None:
    client = overlays.client(work, environments.environment(version))
    client.configure(guru)
    client.list("app-misc/keyd::guru")
    client.sync().ok()
    assert client.packages() == {"app-misc/keyd", "acct-group/keyd", "dev-libs/more"}
    plan = client.root.emerge("-p", "app-misc/keyd::guru", USE="extra").ok().plan()
    assert plan.keys() == {"app-misc/keyd-1.0", "acct-group/keyd-0", "dev-libs/base-1.0", "dev-libs/more-2.1"}


@pytest.mark.parametrize("broken", ["repositories/pick/syncing.py", "__init__.py"])
def test_a_broken_portage_ext_leaves_the_repository_and_all_others(
    work: Path, client: Client, guru: Overlay, broken: str
) -> None:
    client.configure(guru)
    other = overlays.overlay(work / "other", "other")
    other.commit()
    client.configure(other, "other", sync_type="git")
    client.list("app-misc/keyd::guru")
    client.sync().ok()
    before = state(client)
    shutil.copytree(environments.CHECKOUT / "portage_ext", work / "broken/portage_ext")
    (work / "broken/portage_ext" / broken).write_text("raise RuntimeError('half a file')\n")
    said = client.root.emerge("--sync", "guru", "other", PYTHONPATH=str(work / "broken"), **client.variables()).failed()
    assert "!!! guru: RuntimeError('half a file')" in said.stderr
    assert "Sync completed for other" in said.stdout
    assert "Traceback" not in said.text
    assert state(client) == before


def test_a_listed_package_and_what_it_needs_can_be_merged(client: Client, guru: Overlay) -> None:
    client.configure(guru)
    client.list("# larry's", "app-misc/keyd::guru  # a daemon")
    said = client.sync().ok()
    assert client.packages() == {"app-misc/keyd", "acct-group/keyd", "dev-libs/more"}, str(said)
    assert {one.name for one in client.picked().glob("eclass/*")} == {"inner.eclass", "outer.eclass"}
    assert "1 listed package, 2 needed packages" in said.stdout
    run = client.root.emerge("-1", "app-misc/keyd::guru", USE="extra").ok()
    assert client.root.installed() == {"app-misc/keyd-1.0", "acct-group/keyd-0", "dev-libs/base-1.0", "dev-libs/more-2.1"}, str(
        run
    )
    assert not run.stderr, str(run)
    assert client.root.emerge("-p", "app-misc/stranger").failed()


def test_nothing_changed_writes_nothing_and_what_is_gone_is_kept(client: Client, guru: Overlay) -> None:
    client.configure(guru)
    client.list("app-misc/keyd::guru", "app-misc/stranger::guru", "app-misc/straner::guru")
    assert "missing app-misc/straner: it is listed, and the overlay has no such package (but app-misc/stranger)" in (
        client.sync().ok().stdout
    )
    before = state(client)
    # Neither a sync of the same commit, nor one of a commit that is about other packages.
    client.sync().ok()
    guru.data("app-misc/another-1.0")
    guru.commit()
    assert "nothing has changed" in client.sync().ok().stdout
    assert state(client) == before

    guru.data("app-misc/keyd-1.1")
    shutil.rmtree(guru.location / "app-misc/stranger")
    guru.commit()
    said = client.sync().ok()
    assert "kept app-misc/stranger: the overlay has no such package any more; kept as an earlier sync took it" in said.stdout
    assert {one.name for one in client.picked().glob("*/*/*.ebuild")} >= {"keyd-1.0.ebuild", "keyd-1.1.ebuild"}
    assert client.root.emerge("-p", "app-misc/stranger", "=app-misc/keyd-1.1").ok().plan().keys() >= {"app-misc/stranger-1.0"}
    # What was not changed keeps its time, or Portage would apply package moves again.
    unchanged = str(client.picked() / "acct-group/keyd/keyd-0.ebuild")
    assert state(client)[unchanged][1] == before[unchanged][1]


def test_a_fetch_that_fails_or_a_directory_of_somebody_leaves_everything(client: Client, guru: Overlay) -> None:
    client.configure(guru)
    client.list("app-misc/keyd::guru")
    client.picked().mkdir(parents=True)
    (client.picked() / "precious").write_text("work of days")
    said = client.sync().failed()
    assert f"Move them away, such as with `mv {client.picked()}" in said.text
    assert (client.picked() / "precious").read_text() == "work of days"
    shutil.rmtree(client.picked())
    client.sync().ok()
    before = state(client)
    # As a run leaves it that was killed while git worked.
    (client.root.path / "var/lib/portage-ext/pick/guru.busy").touch()
    (client.root.path / "var/cache/portage-ext/pick/guru/.git/index.lock").touch()
    client.sync().ok()
    assert state(client) == before
    guru.location.rename(guru.location.with_name("gone"))
    assert "the repository is as it was" in client.sync().failed().stdout
    assert state(client) == before


def test_only_commits_of_a_known_key_are_picked_from(work: Path, client: Client, guru: Overlay) -> None:
    home = work / "gnupg"
    fingerprint = keys.new_key(home).fingerprint
    client.configure(guru, sync_git_verify_commit_signature="true")
    client.list("app-misc/keyd::guru")
    said = client.sync(GNUPGHOME=str(home)).failed()
    assert "no signature" in said.text
    assert not client.packages()
    # Nothing of a fetch that was not verified stays, from which a command could pick.
    assert not (client.root.path / "var/cache/portage-ext/pick/guru").exists()
    guru.commit("-c", f"user.signingkey={fingerprint}", "-c", "commit.gpgsign=true", GNUPGHOME=str(home))
    client.sync(GNUPGHOME=str(home)).ok()
    assert "app-misc/keyd" in client.packages()
    guru.data("app-misc/keyd-6.6.6")
    guru.commit()
    client.sync(GNUPGHOME=str(home)).failed()
    assert not (client.picked() / "app-misc/keyd/keyd-6.6.6.ebuild").exists()
    keys.kill_agents(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become the sync-user")
def test_the_sync_user_fetches_reads_and_owns(client: Client, guru: Overlay) -> None:
    others.enter()
    guru.ebuild("app-misc/who-1.0", 'DESCRIPTION="read by ${UID}"\n')
    guru.commit()
    subprocess.run(["chown", "-R", "nobody", guru.location], check=True)
    client.configure(guru, sync_user="nobody")
    client.list("app-misc/who::guru")
    client.sync().ok()
    uid = pwd.getpwnam("nobody").pw_uid
    assert f"DESCRIPTION=read by {uid}" in (client.picked() / "metadata/md5-cache/app-misc/who-1.0").read_text()
    assert {one.stat().st_uid for one in client.picked().rglob("*")} == {uid}
    assert (client.root.path / "var/cache/portage-ext/pick/guru/.git").stat().st_uid == uid


def test_an_overlay_by_rsync(client: Client, guru: Overlay, port: int, work: Path) -> None:
    guru.write("metadata/timestamp.chk", "Thu, 26 Nov 2026 00:00:00 +0000\n")
    os.mkfifo(guru.location / "app-misc/stranger/pipe")
    (work / "rsyncd.conf").write_text(f"use chroot = no\n[guru]\npath = {guru.location}\nuid = {os.getuid()}\n")
    command = ["rsync", "--daemon", "--no-detach", "--address=127.0.0.1", f"--port={port}", f"--config={work}/rsyncd.conf"]
    client.configure(f"rsync://127.0.0.1:{port}/guru")
    client.list("app-misc/keyd::guru")
    with daemon.running(command, port):
        client.sync().ok()
        assert client.packages() == {"app-misc/keyd", "acct-group/keyd", "dev-libs/more"}
        # A tree that should be verified, and has no signed Manifest, brings nothing.
        client.configure(f"rsync://127.0.0.1:{port}/guru", sync_rsync_verify_metamanifest="yes")
        guru.data("app-misc/keyd-2.0")
        guru.write("metadata/timestamp.chk", "Thu, 26 Nov 2026 01:00:00 +0000\n")
        client.sync().failed()
    assert not (client.picked() / "app-misc/keyd/keyd-2.0.ebuild").exists()


def test_git_brings_only_the_files_that_are_needed(client: Client, guru: Overlay, port: int) -> None:
    overlays.git(guru.location, "config", "uploadpack.allowFilter", "true")
    overlays.git(guru.location, "config", "uploadpack.allowAnySHA1InWant", "true")
    command = [
        "git",
        "daemon",
        "--listen=127.0.0.1",
        f"--port={port}",
        "--reuseaddr",
        "--export-all",
        f"--base-path={guru.location.parent}",
    ]
    client.configure(f"git://127.0.0.1:{port}/guru")
    client.list("app-misc/keyd::guru")
    with daemon.running(command, port):
        client.sync().ok()
    store = client.root.path / "var/cache/portage-ext/pick/guru"
    assert {one.name for one in store.glob("app-misc/*")} == {"keyd"}
    missing = overlays.git(store, "rev-list", "--objects", "--missing=print", "HEAD")
    assert missing.count("\n?") > 0


def test_two_overlays_with_the_same_need_do_not_take_turns(work: Path, client: Client, guru: Overlay) -> None:
    other = overlays.overlay(work / "other", "other", masters="tiny nowhere")
    other.write("profiles/categories", "acct-group\napp-misc\n")
    other.data("app-misc/neighbour-1.0", RDEPEND="acct-group/keyd app-misc/stranger")
    other.ebuild("acct-group/keyd-0")
    other.data("app-misc/stranger-1.0")
    other.commit()
    client.configure(guru)
    client.configure(other, "other")
    client.list("app-misc/keyd::guru", "app-misc/stranger::guru", "app-misc/neighbour::other")
    client.sync().ok()
    # What the other one has for a need of its own does not count; what its list names does.
    said = client.sync("other").ok()
    assert client.packages("other") == {"app-misc/neighbour", "acct-group/keyd"}
    assert "missing nowhere: the overlay builds on this repository (masters)" in said.stdout
    before = state(client)
    for name in ("guru", "other"):
        assert "nothing has changed" in client.sync(name).ok().stdout
    assert state(client) == before
    assert client.root.emerge("-p", "app-misc/neighbour").ok().stderr == ""
