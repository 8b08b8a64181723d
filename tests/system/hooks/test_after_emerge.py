"""Whatever makes a package on a binhost, it is signed, indexed and published when the run ends, or the failure is loud."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from portage_ext.unattended.marks import HeldMark
from tests.system.hooks import afterwards
from tests.system.hooks.afterwards import arrive, last, open_marks, published, said, unsigned, until
from tests.system.publish import site
from tests.system.publish.site import Host
from tests.testkit import environments, httpd, keys, portages
from tests.testkit.binhost import Binhost
from tests.testkit.keys import SigningKey
from tests.testkit.outcome import Outcome


@pytest.fixture
def host(work: Path, binhost: Binhost, key: SigningKey) -> Host:
    return afterwards.building(work, binhost, key)


def ebuild(host: Host, name: str) -> str:
    category, pf = name.split("/")
    return str(host.binhost.repository.location / category / pf.rpartition("-")[0] / f"{pf}.ebuild")


def copied_in(host: Host) -> Outcome:
    """A package that somebody copied into PKGDIR, and then the usual command."""
    target = host.root.pkgdir / "app-misc/flags"
    target.mkdir(parents=True)
    shutil.copy(next(host.binhost.pkgdir.glob("app-misc/flags/flags-2.0-*.gpkg.tar")), target / "flags-2.0-1.gpkg.tar")
    return host.root.run("emaint", "binhost", "--fix")


def saved(host: Host) -> Outcome:
    host.root.emerge("-1", "--buildpkg=n", "app-misc/flags").ok()
    return host.root.run("quickpkg", "app-misc/flags")


FURTHER = pytest.mark.slow
WAYS: dict[str, Callable[[Host], Outcome]] = {
    "merged": lambda host: host.root.emerge("-1", "app-misc/flags"),
    "only built": lambda host: host.root.emerge("--buildpkgonly", "app-misc/flags"),
    "saved by quickpkg": saved,
    "packed by ebuild": lambda host: host.root.run(
        "ebuild", ebuild(host, "app-misc/flags-2.0"), "clean", "package", PORTAGE_TMPDIR=str(host.root.path / "tmp")
    ),
}
OTHER_WAYS = ("only built", "saved by quickpkg")


@pytest.mark.parametrize("way", ["merged", "packed by ebuild", *(pytest.param(way, marks=FURTHER) for way in OTHER_WAYS)])
def test_a_new_package_is_signed_and_published_when_the_run_ends(host: Host, way: str) -> None:
    run = WAYS[way](host).ok()
    line = said(run)
    assert len(line) == 1, run
    assert line[0].startswith("portage-ext: 1 package signed and indexed, published as release 1 of staging ("), run
    assert published(host) == {"flags-2.0-1"}
    assert not unsigned(host)
    assert not open_marks(host)
    assert (last(host).what, last(host).ok, last(host).release) == ("after-emerge", True, 1)
    assert line[0].endswith(last(host).line)


def test_emaint_fix_publishes_what_was_copied_in(work: Path, binhost: Binhost, key: SigningKey) -> None:
    """With a signature of another key on it, which Portage accepts here: it gets that of this binhost."""
    host = afterwards.building(work, binhost, key, features="binpkg-ignore-signature")
    run = copied_in(host).ok()
    assert "published as release 1 of staging" in run.stderr, run
    assert published(host) == {"flags-2.0-1"}
    assert not unsigned(host)


def another_second(host: Host, pn: str) -> None:
    """Wait for it: a package of the same size and second as that of ``pn`` would be the same one to Portage."""
    package = next(host.root.pkgdir.glob(f"app-misc/{pn}/*.gpkg.tar"))
    until(lambda: time.time() > package.stat().st_mtime + 1)


@pytest.mark.parametrize("version", portages.oldest("COMPAT_PORTAGES"))
def test_every_supported_portage_is_worked_after(work: Path, binhost: Binhost, key: SigningKey, version: str) -> None:
    host = afterwards.building(work, binhost, key, version=version, layout="root")
    host.root.emerge("-1", "app-misc/flags").ok()
    assert published(host) == {"flags-2.0-1"}
    another_second(host, "flags")
    quick = host.root.run("quickpkg", "app-misc/flags").ok()
    assert "published as release 2 of staging" in quick.stderr, quick
    assert published(host) == {"flags-2.0-1", "flags-2.0-2"}


def test_a_client_installs_what_emerge_published(work: Path, host: Host) -> None:
    """Also what quickpkg made, whose file has another number than its BUILD_ID."""
    host.root.emerge("-1", "app-misc/flags").ok()
    another_second(host, "flags")
    host.root.run("quickpkg", "app-misc/flags").ok()
    host.remove("app-misc/flags/flags-2.0-1.gpkg.tar")
    host.root.run("emaint", "binhost", "--fix").ok()
    assert published(host) == {"flags-2.0-2"}
    with httpd.serve(host.tree) as server:
        client = site.client(work, host, f"{server.url}/staging")
        client.emerge("-1", "--getbinpkgonly", "app-misc/flags").ok()
    assert client.installed() == {"app-misc/flags-2.0"}
    assert set(client.merged().values()) == {"binary"}


def test_jobs_make_one_release(host: Host) -> None:
    run = host.root.emerge("-B", "--jobs=2", "app-misc/flags", "app-misc/slotted:1").ok()
    assert [line.partition(" (")[0] for line in said(run)] == [
        "portage-ext: 2 packages signed and indexed, published as release 1 of staging"
    ]
    assert "portage-ext: 2 packages signed" in (host.root.path / "var/log/emerge.log").read_text()


def test_what_a_failed_run_left_is_published_and_its_status_stays(host: Host) -> None:
    run = host.root.emerge("-B", "app-misc/flags", "app-misc/fails").failed()
    assert "published as release 1 of staging" in run.stderr, run
    assert published(host) == {"flags-2.0-1"}


def test_a_run_that_changes_nothing_says_nothing(host: Host) -> None:
    host.root.emerge("-1", "app-misc/flags").ok()
    assert said(host.root.emerge("-1", "--noreplace", "app-misc/flags").ok()) == []
    assert said(host.root.emerge("-p", "app-misc/hello").ok()) == []
    assert host.channel("staging") == 1


def test_a_killed_run_is_made_up_for_by_the_next_even_if_that_changes_nothing(host: Host) -> None:
    root = host.root
    words = ["emerge", "-1", "app-misc/waits"]
    process = subprocess.Popen(
        words, env=root.variables(), cwd=root.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        until(lambda: (root.path / "tmp/reached").exists())
        assert not open_marks(host), "the run lives"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    until(lambda: len(open_marks(host)) == 1)
    assert published(host) == set()
    assert said(root.emerge("-p", "app-misc/hello").ok()) == []
    assert len(open_marks(host)) == 1, "a pretended run does nothing"
    run = root.emerge("-1", "--noreplace", "--onlydeps", "app-misc/hello").ok()
    assert "published as release 1 of staging" in run.stderr, run
    assert published(host) == {"waits-1.0-1"}
    assert not open_marks(host)


@pytest.mark.slow
def test_a_timer_makes_up_for_a_killed_run_too(host: Host) -> None:
    host.root.emerge("--buildpkgonly", "--quiet", "app-misc/hello", PORTAGE_EXT_SAID="").ok()
    # Not a copy of the first: of equal files, a release has the one that comes last in the order of the directory.
    (target := host.root.pkgdir / "app-misc/flags").mkdir()
    shutil.copy(host.binhost.pkgdir / "app-misc/flags/flags-2.0-1.gpkg.tar", target)
    assert "published as release 2 of staging" in host.run("after-emerge").ok().stdout
    assert host.run("after-emerge").ok().stdout == "portage-ext: nothing new in PKGDIR\n"


def test_two_emerges_at_once_lose_nothing(host: Host) -> None:
    root = host.root
    pipe = subprocess.PIPE
    runs = [
        subprocess.Popen(["emerge", "-1", atom], env=root.variables(), cwd=root.path, stdout=pipe, stderr=pipe, text=True)
        for atom in ("app-misc/flags", "app-misc/slotted:1")
    ]
    results = [(run.communicate(timeout=300), run.returncode) for run in runs]
    assert [status for _, status in results] == [0, 0], results
    assert published(host) == {"flags-2.0-1", "slotted-1.5-1"}
    assert not unsigned(host)
    assert not open_marks(host)


def test_a_key_that_cannot_sign_fails_loudly_and_harms_nothing(work: Path, host: Host) -> None:
    arrive(host, "flags-2.0-1")
    locked = keys.new_key(work / "locked", passphrase="nobody knows")
    keys.kill_agents(locked.home)
    good, host.key = host.key, locked
    host.configure(more=afterwards.PUBLISH)
    try:
        run = host.root.emerge("-1", "app-misc/hello").failed()
    finally:
        keys.kill_agents(locked.home)
    assert run.status == 1
    assert "app-misc/hello-1.1" in host.root.installed()
    assert said(run)[0].startswith("portage-ext: after-emerge FAILED: "), run
    assert "passphrase" in said(run)[0]
    assert "after-emerge FAILED" in (host.root.path / "var/log/emerge.log").read_text()
    summary = (host.root.path / "var/log/portage/elog/summary.log").read_text()
    assert f"ERROR: other\n{last(host).line}\n" in summary.partition("for package app-portage/portage-ext-")[2]
    assert run.stdout.count("after-emerge FAILED") == 1, "echoed by elog at the end"
    assert not last(host).ok
    assert host.channel("staging") == 1
    assert len(open_marks(host)) == 1
    host.key = good
    host.configure(more=afterwards.PUBLISH)
    assert "published as release 2" in host.root.emerge("-1", "--noreplace", "app-misc/hello").ok().stderr
    assert not unsigned(host)


def damaged(host: Host, name: str, *, signed: bool) -> Path:
    """A package beside the others: changed after it was signed, or unsigned, its image not what the Manifest says."""
    good = next((host.root.pkgdir if signed else host.binhost.pkgdir).glob("app-misc/flags/flags-2.0-*.gpkg.tar"))
    path = host.root.pkgdir / "app-misc/flags" / name
    data = good.read_bytes()
    with tarfile.open(good) as archive:
        member = next(one for one in archive.getmembers() if one.name.endswith("/Manifest" if signed else "/image.tar.zst"))
    where = data.index(b" SHA512 ", member.offset_data) + 8 if signed else member.offset_data + member.size // 2
    path.write_bytes(data[:where] + bytes([data[where] ^ 1]) + data[where + 1 :])
    return path


def test_packages_that_cannot_be_signed_are_named_and_left_out_until_they_are_mended(host: Host) -> None:
    """The others go on; each run says it, fails, and tries again, also one that changes nothing."""
    arrive(host, "flags-2.0-1")
    tampered = damaged(host, "flags-2.0-7.gpkg.tar", signed=True)
    broken = damaged(host, "flags-2.0-8.gpkg.tar", signed=False)
    run = host.root.emerge("-1", "app-misc/hello").failed()
    assert run.status == 1
    assert "app-misc/hello-1.1" in host.root.installed()
    assert said(run)[0].startswith("portage-ext: after-emerge FAILED: 2 packages of "), run
    for word in (
        "flags-2.0-7.gpkg.tar: ",
        "[bad-signature]",
        "flags-2.0-8.gpkg.tar: image.tar.zst does not match the Manifest",
    ):
        assert word in said(run)[0], run
    assert said(run)[0].endswith("; 1 package signed and indexed, published as release 2 of staging"), run
    assert published(host) == {"flags-2.0-1", "hello-1.1-1"}
    assert (last(host).ok, last(host).release) == (False, 2)
    assert last(host).line in (host.root.path / "var/log/emerge.log").read_text()
    index = (host.root.pkgdir / "Packages").read_text()
    assert "PATH: app-misc/hello/hello-1.1-1.gpkg.tar" in index
    assert "flags-2.0-7" not in index
    assert "flags-2.0-8" not in index
    broken.unlink()
    again = host.root.emerge("-1", "--noreplace", "app-misc/hello").failed()
    assert said(again)[0].startswith("portage-ext: after-emerge FAILED: 1 package of "), again
    assert host.channel("staging") == 2
    shutil.copy(next(host.binhost.pkgdir.glob("app-misc/flags/flags-2.0-*.gpkg.tar")), tampered)
    mended = host.root.emerge("-1", "--noreplace", "app-misc/hello").ok()
    assert "1 package signed and indexed, published as release 3 of staging" in mended.stderr, mended
    assert published(host) == {"flags-2.0-1", "flags-2.0-7", "hello-1.1-1"}
    assert not unsigned(host)
    assert not open_marks(host)


@pytest.mark.slow
def test_a_failure_is_the_exit_status_of_quickpkg_too(host: Host) -> None:
    host.root.emerge("-1", "--buildpkg=n", "app-misc/flags").ok()
    host.configure(more=afterwards.PUBLISH + 'channel = "no/channel"\n')
    run = host.root.run("quickpkg", "app-misc/flags").failed()
    assert "after-emerge FAILED" in run.stderr, run
    assert "flags-2.0" in run.stdout, "what quickpkg says is complete"


@pytest.mark.slow
def test_an_objection_of_a_gate_leaves_the_channel_and_is_told(host: Host) -> None:
    host.root.emerge("-B", "app-misc/flags").ok()
    host.configure(more=afterwards.PUBLISH + 'channel = "production"\n[publish.channel.production]\ngates = ["closure"]\n')
    run = host.root.emerge("-1", "app-misc/needy", "--nodeps").failed()
    assert "[closure] app-misc/needy" in said(run)[0], run
    assert not (host.tree / "production").exists()
    assert "app-misc/needy-1.0" in host.root.installed()


def test_a_mistake_in_the_configuration_is_told_at_the_end(host: Host) -> None:
    host.configure(more='\n[binhost]\nafter-emerge = "always"\n')
    run = host.root.emerge("-1", "app-misc/flags").failed()
    assert "binhost.after-emerge is not" in said(run)[0], run
    assert "app-misc/flags-2.0" in host.root.installed()


@pytest.mark.parametrize("more", [pytest.param("", marks=FURTHER), '\n[binhost]\nafter-emerge = "off"\n'])
def test_off_is_off(host: Host, more: str) -> None:
    host.configure(more=more)
    assert said(host.root.emerge("-B", "app-misc/flags").ok()) == []
    assert not host.tree.exists()
    assert not (host.root.path / "var/lib/portage-ext").exists()


def test_index_signs_and_indexes_and_publishes_nothing(host: Host) -> None:
    host.configure(more='\n[binhost]\nafter-emerge = "index"\n')
    run = host.root.emerge("-B", "app-misc/flags").ok()
    assert said(run)[0].startswith("portage-ext: 1 package signed and indexed ("), run
    assert not unsigned(host)
    assert not host.tree.exists()
    assert "up to date" in host.run("reindex", "--check").ok().stdout


def test_a_pkgdir_of_one_run_is_not_the_binhosts(work: Path, host: Host) -> None:
    arrive(host, "flags-2.0-1")
    run = host.root.emerge("-B", "app-misc/hello", PKGDIR=str(work / "elsewhere")).ok()
    assert said(run) == []
    assert published(host) == {"flags-2.0-1"}
    assert not open_marks(host)


def test_a_further_pkgdir_is_published_as_its_repository(work: Path, host: Host) -> None:
    other = work / "v3"
    tables = f'\n[repository.v3]\ntree = "{work}/tree-v3"\npkgdir = "{other}"\n'
    host.configure(more=afterwards.PUBLISH + tables)
    run = host.root.emerge("-B", "app-misc/hello", PKGDIR=str(other)).ok()
    assert "published as release 1 of staging" in run.stderr, run
    assert (work / "tree-v3/staging/Packages").exists()
    assert not host.tree.exists()
    # A mark that was left for it is not taken away by who looks after another one by hand.
    host.configure(more=tables)
    host.root.emerge("-B", "app-misc/flags", PKGDIR=str(other)).ok()
    host.configure(more=afterwards.PUBLISH + tables)
    HeldMark(host.root.path, other).release()
    run = host.run("after-emerge").ok()
    assert "published as release 2 of staging" in run.stdout, run
    assert not open_marks(host)


def test_packages_that_portage_signed_with_the_same_key_stay(work: Path, binhost: Binhost, key: SigningKey) -> None:
    host = afterwards.building(
        work,
        binhost,
        key,
        features="binpkg-signing",
        BINPKG_GPG_SIGNING_GPG_HOME=str(key.home),
        BINPKG_GPG_SIGNING_KEY=f"0x{key.fingerprint}",
        BINPKG_GPG_SIGNING_BASE_COMMAND=f"/usr/bin/flock {work}/gpg.lock /usr/bin/gpg --sign --armor [PORTAGE_CONFIG]",
    )
    run = host.root.emerge("-B", "app-misc/flags").ok()
    assert said(run)[0].startswith("portage-ext: 1 package indexed, published as release 1 of staging ("), run
    assert not unsigned(host)


@pytest.mark.slow
def test_what_emerge_has_quickpkg_save_is_published_once(host: Host) -> None:
    names = ("app-misc/flags", "app-misc/hello")
    host.root.emerge("-1", "--buildpkg=n", *names).ok()
    run = host.root.emerge("--unmerge", *names, FEATURES="unmerge-backup").ok()
    assert [line.partition(" (")[0] for line in said(run)] == [
        "portage-ext: 2 packages signed and indexed, published as release 1 of staging"
    ], run


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user")
def test_an_ordinary_user_is_not_told_of_work_that_is_not_theirs(host: Host) -> None:
    HeldMark(host.root.path, host.root.pkgdir).release()
    run = host.root.emerge("--check-news", as_user=65534)
    assert said(run) == []
    assert len(open_marks(host)) == 1


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user")
def test_an_ordinary_user_pretends_without_a_trace(host: Host) -> None:
    run = host.root.emerge("-p", "--usepkg", "app-misc/flags", as_user=65534).ok()
    assert said(run) == []
    assert not (host.root.path / "var/lib/portage-ext").exists()


@pytest.mark.parametrize(
    "file", ["emerge/after.py", *(pytest.param(one, marks=FURTHER) for one in ("unattended/marks.py", "cli/after_emerge.py"))]
)
def test_a_broken_portage_ext_lets_emerge_merge(work: Path, host: Host, file: str) -> None:
    copy = work / "broken" / "portage_ext"
    shutil.copytree(environments.CHECKOUT / "portage_ext", copy, ignore=shutil.ignore_patterns("*.pyc.*"))
    (copy / file).write_text("raise RuntimeError('half a file')\n")
    run = host.root.emerge("-1", "app-misc/flags", PYTHONPATH=str(copy.parent))
    assert "app-misc/flags-2.0" in host.root.installed()
    assert run.status == 1, run
    assert "half a file" in run.stderr, run
    # The next run, with a whole one, or a person makes up for it.
    assert "published as release 1" in host.run("after-emerge").ok().stdout
