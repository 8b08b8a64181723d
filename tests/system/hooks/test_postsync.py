"""After a sync, what it is an occasion for happens: once, briefly, and whatever is wrong with a binhost is named."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from portage_ext.trust import release as text
from portage_ext.trust.memory import StateDirectory
from portage_ext.trust.release import SIGNATURE_NAME
from portage_ext.trust.signer import GpgSigner, SigningKey
from portage_ext.unattended import heads, log
from tests.system.hooks.afterwards import HOOK, hooked, until
from tests.system.publish import site
from tests.system.publish.site import Host
from tests.testkit.httpd import Server
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

DAY = 86400


def lines(run: Outcome) -> list[str]:
    return [line for line in run.text.splitlines() if line.startswith("portage-ext: ")]


@pytest.fixture
def client(work: Path, host: Host, web: Server) -> Root:
    host.run("publish", "--channel", "production", "--gates", "index").ok()
    root = site.client(work, host, f"{web.url}/production")
    hooked(root, work)
    return root


def test_a_sync_looks_at_the_release_and_fetches_no_index(client: Root, web: Server) -> None:
    """Also when nothing changed; a moment later nobody is asked again."""
    run = client.emerge("--sync")
    assert lines(run)[0].startswith("portage-ext: Releases checked: lab 1, valid until "), run
    assert {path.rpartition("/")[2] for path in web.paths()} == {"Release", SIGNATURE_NAME}, web.paths()
    seen = StateDirectory(client.path, "lab").load().seen
    assert seen is not None
    assert seen.version == 1
    assert log.last(client.path).what == "postsync"  # type: ignore[union-attr]
    asked = len(web.log)
    assert lines(client.emerge("--sync")) == []
    assert len(web.log) == asked
    client.emerge("-1", "--getbinpkgonly", "app-misc/flags").ok()


def test_a_newer_release_seen_at_a_sync_is_not_gone_behind(client: Root, host: Host) -> None:
    """The memory is the one that fetching uses: an older Release is a rollback after it."""
    old = host.tree / "old"
    shutil.copytree(host.tree / "releases/1", old)
    host.remove("app-misc/flags/flags-2.0-*")
    host.run("publish", "--channel", "production", "--gates", "index").ok()
    assert "lab 2, valid" in client.run("portage-ext", "postsync", "--now").ok().stdout
    (host.tree / "production").unlink()
    (host.tree / "production").symlink_to("old")
    run = client.run("portage-ext", "postsync", "--now").ok()
    assert "portage-ext: lab is refused: " in run.stderr, run
    assert "[rollback]" in run.stderr or "older" in run.stderr or "version" in run.stderr, run
    assert not log.last(client.path).ok  # type: ignore[union-attr]


def date(host: Host, created: int, days: int) -> None:
    """Make the Release that is served one of ``created``, valid for ``days``."""
    directory = host.tree / "production"
    release = text.parse((directory / "Release").read_bytes())
    data = text.emit(replace(release, created=created, expires=created + days * DAY))
    (directory / "Release").write_bytes(data)
    signer = GpgSigner(SigningKey(host.key.fingerprint, host.key.fingerprint), host.key.home)
    (directory / SIGNATURE_NAME).write_bytes(signer.detach(data))


def test_an_expired_and_a_stale_binhost_are_named(client: Root, host: Host) -> None:
    now = int(time.time())
    date(host, now - 40 * DAY, 30)
    run = client.emerge("--sync")
    assert "portage-ext: lab has EXPIRED: " in run.text, run
    date(host, now - 29 * DAY, 30)
    run = client.run("portage-ext", "postsync", "--now").ok()
    assert "portage-ext: lab is stale: its Release 1 expires " in run.stderr, run


def test_a_binhost_that_is_away_is_named_and_what_is_known_of_it(client: Root, host: Host) -> None:
    client.emerge("-1", "--getbinpkgonly", "app-misc/flags").ok()
    host.tree.rename(host.tree.with_name("away"))
    run = client.run("portage-ext", "postsync", "--now").ok()
    assert "portage-ext: lab " in run.stderr, run


def test_nothing_is_asked_where_no_key_is_pinned_or_refresh_is_off(work: Path, client: Root, web: Server) -> None:
    client.etc("portage-ext.toml", "[postsync]\nrefresh = false\n")
    assert client.run("portage-ext", "postsync", "--now").ok().text == ""
    client.etc("portage-ext.toml", "")
    shutil.rmtree(client.path / "etc/portage/portage-ext")
    assert client.run("portage-ext", "postsync", "--now").ok().text == ""
    assert web.log == []


def test_the_job_starts_when_a_repository_has_another_head_and_not_again(work: Path, host: Host) -> None:
    done = work / "done"
    host.configure(more=f"\n[postsync]\njob = \"sh -c 'echo one; sleep 1; echo x >> {done}'\"\n")
    upstream = hooked(host.root, work)
    (upstream / "metadata/timestamp.chk").write_text("Fri, 20 Nov 2026 10:00:00 +0000\n")
    run = host.root.emerge("--sync")
    assert lines(run)[0].startswith("portage-ext: tiny changed: started sh, with its output in "), run
    assert lines(host.root.emerge("--sync")) == []

    (upstream / "metadata/timestamp.chk").write_text("Fri, 20 Nov 2026 11:00:00 +0000\n")
    until(done.exists)
    until(lambda: "started sh" in host.root.emerge("--sync").text)
    until(lambda: done.exists() and done.read_text() == "x\nx\n")
    assert (host.root.path / "var/log/portage-ext/postsync-job.log").read_text().count("\none\n") == 2


def test_a_job_that_runs_is_not_started_twice_and_the_change_is_not_forgotten(work: Path, host: Host) -> None:
    go = work / "go"
    os.mkfifo(go)
    host.configure(more=f'\n[postsync]\njob = "cat {go}"\n')
    assert "started cat" in host.run("postsync").ok().stdout
    (host.root.path / "var/lib/portage-ext/postsync/heads.json").write_text("{}")
    assert "still runs" in host.run("postsync").ok().stdout
    with go.open("w") as file:
        file.write("end\n")
    until(lambda: "started cat" in host.run("postsync").ok().stdout)
    with go.open("w"):
        pass


def test_a_job_that_cannot_start_is_an_error(host: Host) -> None:
    host.configure(more='\n[postsync]\njob = "/no/such/program --now"\n')
    for _ in range(2):
        run = host.run("postsync").failed()
        assert "cannot start the update job /no/such/program" in run.stderr, run


def test_a_system_without_portage_ext_is_left_alone(work: Path) -> None:
    empty = work / "bin"
    empty.mkdir()
    done = subprocess.run(["/bin/bash", str(HOOK)], env={"PATH": str(empty)}, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("packed", [False, True])
def test_the_head_of_a_git_repository_is_its_commit(tmp_path: Path, packed: bool) -> None:
    def git(*words: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "init.defaultBranch=main"]
        return subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "one")
    if packed:
        git("pack-refs", "--all")
    assert heads.head(tmp_path) == f"git {git('rev-parse', 'HEAD').strip()}"
    before = heads.head(tmp_path)
    git("commit", "-q", "--allow-empty", "-m", "two")
    assert heads.head(tmp_path) != before
    assert heads.head(tmp_path / "nowhere") == ""
