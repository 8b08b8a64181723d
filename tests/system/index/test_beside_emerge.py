"""Beside a working Portage: nothing is lost, readers choose the same packages, and a killed run leaves a whole index."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.system.index import sandbox
from tests.testkit import environments, httpd
from tests.testkit.binhost import Binhost
from tests.testkit.roots import Root


def specification(numbers: range, category: str = "app-misc") -> list[dict[str, object]]:
    return [
        {
            "path": f"{category}/p{n}/p{n}-1-1.gpkg.tar",
            "compression": "none",
            "metadata": {"CATEGORY": category, "PF": f"p{n}-1", "SLOT": "0", "BUILD_ID": "1", "BUILD_TIME": str(n)},
        }
        for n in numbers
    ]


def client(work: Path, binhost: Binhost, **settings: str) -> Root:
    return Root.create(
        work / "client",
        environments.environment(),
        [binhost.repository],
        BINPKG_GPG_VERIFY_GPG_HOME=str(binhost.gnupg),
        **settings,
    )


def test_emerge_chooses_the_same_packages_as_against_portages_own_index(work: Path, binhost: Binhost) -> None:
    root = client(work, binhost)
    sandbox.copy_binhost(root, binhost.pkgdir)
    names = sorted({f"{path.parent.parent.name}/{path.parent.name}" for path in root.pkgdir.rglob("*.gpkg.tar")})
    sandbox.portage_index(root)
    local = root.emerge("-pK", *names).ok().plan()
    with httpd.serve(root.pkgdir) as server:
        root.etc("binrepos.conf", f"[own]\nsync-uri = {server.url}\nlocation = {work}/cache\nverify-signature = true\n")
        remote = root.emerge("-pG", *names, PKGDIR=str(work / "none")).ok().plan()
        root.forget_downloads()
        sandbox.clear(root)
        assert sandbox.report(root)["left_out"] == []
        assert root.emerge("-pK", *names).ok().plan() == local
        assert root.emerge("-pG", *names, PKGDIR=str(work / "none")).ok().plan() == remote
    assert set(local.values()) == {"binary"} == set(remote.values())
    root.run("emaint", "binhost", "--check").ok()


def test_injections_beside_reindexers_lose_nothing(work: Path) -> None:
    root = sandbox.make_root(work)
    sandbox.build(root, specification(range(20)))
    sandbox.report(root)
    staged = [{**one, "path": f"../staged/{Path(str(one['path'])).name}"} for one in specification(range(100, 106))]
    sandbox.build(root, staged)
    inject = (
        "import portage, sys; from portage.dbapi.bintree import binarytree\n"
        "tree = binarytree(pkgdir=sys.argv[1], settings=portage.settings)\n"
        "for path in sys.argv[2:]:\n"
        "    pf = path.rpartition('/')[2].removesuffix('-1.gpkg.tar')\n"
        "    assert tree.inject('app-misc/' + pf, current_pkg_path=path)\n"
    )
    paths = sorted(str(path) for path in (root.pkgdir.parent / "staged").iterdir())
    environment = root.variables()
    runs = [["portage-ext", "reindex"], ["portage-ext", "reindex", "--verify"]]
    injection = ["python3", "-c", inject, str(root.pkgdir), *paths]
    with subprocess.Popen(injection, env=environment, stderr=subprocess.PIPE) as injecting:
        while injecting.poll() is None:
            both = [subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL) for words in runs]
            assert [one.wait() for one in both] == [0, 0]
        assert injecting.returncode == 0, injecting.stderr and injecting.stderr.read().decode()
    sandbox.report(root)
    listed = {entry["PATH"] for entry in sandbox.read(root)["packages"]}
    assert listed == {str(path.relative_to(root.pkgdir)) for path in root.pkgdir.rglob("*.gpkg.tar")}
    assert len(listed) == 26
    assert not list(root.pkgdir.glob(".portage-ext.Packages*"))


def test_a_run_waits_for_the_lock_that_portage_holds(work: Path) -> None:
    root = sandbox.make_root(work)
    sandbox.build(root, specification(range(2)))
    hold = (
        "import sys, portage; from portage.locks import lockfile, unlockfile\n"
        "lock = lockfile(sys.argv[1] + '/Packages', wantnewlockfile=1)\n"
        "print('held', flush=True); sys.stdin.read(); unlockfile(lock)\n"
    )
    words = ["python3", "-c", hold, str(root.pkgdir)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, env=root.variables(), stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        with subprocess.Popen(["portage-ext", "reindex"], env=root.variables(), stdout=pipe, stderr=pipe) as waiting:
            with pytest.raises(subprocess.TimeoutExpired):
                waiting.wait(1.5)
            assert not (root.pkgdir / "Packages").exists()
            holder.stdin.close()
            assert waiting.wait(300) == 0
    assert len(sandbox.read(root)["packages"]) == 2


DYING = """
import os, signal, sys
count = 0
def dying(real):
    def call(*arguments, **more):
        global count
        count += 1
        if count > {moment}: os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **more)
    return call
os.fsync, os.replace = dying(os.fsync), dying(os.replace)
from portage_ext.cli.main import main
sys.exit(main(['reindex']))
"""


def test_a_killed_run_leaves_a_whole_index_and_the_next_one_cleans_up(work: Path) -> None:
    root = sandbox.make_root(work)
    sandbox.build(root, specification(range(30)))
    sandbox.report(root)
    before = sandbox.read(root)
    shutil.copytree(root.pkgdir / "app-misc/p3", root.pkgdir / "app-misc/q")
    # Killed inside the n-th fsync or rename: the places where the disk has one half and not yet the other.
    for moment in range(6):
        for file in (root.pkgdir / "app-misc").rglob("*.gpkg.tar"):
            os.utime(file, (1_600_000_000 + moment, 1_600_000_000 + moment))
        assert root.run("python3", "-c", DYING.format(moment=moment)).status == -signal.SIGKILL, moment
        after = sandbox.read(root)["packages"]
        assert len(after) == len(before["packages"]), moment
        report = sandbox.report(root)
        assert report["status"] == 3  # app-misc/q does not belong there
        assert not list(root.pkgdir.glob(".portage-ext.Packages*")), moment
        assert sandbox.report(root, "--check")["differences"] == [], moment


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_leaves_the_old_index(work: Path) -> None:
    root = sandbox.make_root(work)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", str(root.pkgdir)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounts are not allowed here")
    try:
        sandbox.build(root, specification(range(20)))
        sandbox.report(root)
        before = (root.pkgdir / "Packages").read_bytes()
        sandbox.build(root, specification(range(20, 24)))
        room = os.statvfs(root.pkgdir)
        (root.pkgdir / "filler").write_bytes(bytes(room.f_bavail * room.f_frsize - 4096))
        done = sandbox.reindex(root)
        assert done.status == 1
        assert "the old index is unchanged" in done.stderr
        assert (root.pkgdir / "Packages").read_bytes() == before
        (root.pkgdir / "filler").unlink()
        assert sandbox.report(root)["packages"] == 24
        assert not list(root.pkgdir.glob(".portage-ext.Packages*"))
    finally:
        subprocess.run(["umount", str(root.pkgdir)], check=True)


def test_check_writes_nothing_and_says_what_differs(work: Path) -> None:
    root = sandbox.make_root(work)
    sandbox.build(root, specification(range(3)))
    done = sandbox.reindex(root, "--check")
    assert (done.status, os.listdir(root.pkgdir)) == (1, ["app-misc"])
    assert "Packages: is missing" in done.stdout
    sandbox.report(root)
    assert sandbox.reindex(root, "--check").status == 0
    files = {path: path.stat() for path in root.pkgdir.rglob("*")}
    (root.pkgdir / "app-misc/p1/p1-1-1.gpkg.tar").unlink()
    done = sandbox.reindex(root, "--check")
    assert done.status == 1
    assert "app-misc/p1/p1-1-1.gpkg.tar: is only in the index" in done.stdout
    root.run("emaint", "binhost", "--fix").ok()
    done = sandbox.reindex(root, "--check")
    assert done.status == 1
    assert "differs in BLAKE2B" in done.stdout
    assert "Packages.zst: was not written together with Packages" in done.stdout
    assert files.keys() >= set(root.pkgdir.rglob("*"))


@pytest.mark.skipif(os.getuid() != 0, reason="another user is needed")
def test_an_ordinary_user_may_check_and_may_not_write(work: Path) -> None:
    root = sandbox.make_root(work)
    sandbox.build(root, specification(range(3)))
    sandbox.report(root)
    assert root.run("portage-ext", "reindex", "--check", as_user=65534).status == 0
    (root.pkgdir / "app-misc/p1/p1-1-1.gpkg.tar").unlink()
    assert root.run("portage-ext", "reindex", "--check", as_user=65534).status == 1
    done = root.run("portage-ext", "reindex", as_user=65534).failed()
    assert "Traceback" not in done.text


def test_packages_of_an_unknown_key_are_left_out_and_a_missing_keyring_is_refused(work: Path, binhost: Binhost) -> None:
    root = sandbox.make_root(work, BINPKG_GPG_VERIFY_GPG_HOME=str(binhost.gnupg))
    sandbox.copy_binhost(root, binhost.pkgdir)
    assert sandbox.report(root)["left_out"] == []
    assert sandbox.report(root, "--verify")["left_out"] == []
    before = (root.pkgdir / "Packages").read_bytes()
    missing = {"BINPKG_GPG_VERIFY_GPG_HOME": str(work / "nowhere")}
    (work / "nowhere").mkdir(mode=0o755)
    done = sandbox.reindex(root, "--verify", **missing)
    assert done.status == 1
    assert "not in the verification keyring" in done.stderr
    assert "--force" in done.stderr
    assert (root.pkgdir / "Packages").read_bytes() == before
    refused = sandbox.report(root, "--verify", "--force", **missing)
    assert {one["error"] for one in refused["left_out"]} == {"UnacceptedSignatureError"}
    assert refused["packages"] == 0
    # binpkg-ignore-signature takes them as Portage does
    ignoring = sandbox.report(root, FEATURES="binpkg-ignore-signature", **missing)
    assert ignoring["left_out"] == []


def test_a_tampered_manifest_or_metadata_signature_is_left_out(work: Path, binhost: Binhost) -> None:
    root = sandbox.make_root(work, BINPKG_GPG_VERIFY_GPG_HOME=str(binhost.gnupg))
    sandbox.copy_binhost(root, binhost.pkgdir)
    first, second, *_ = sorted(root.pkgdir.rglob("*.gpkg.tar"))
    data = first.read_bytes()
    at = data.index(b"DATA gpkg-1 0")
    # A digest in the signed text: the image's, which no digest check of the index looks at.
    at = data.index(b"DATA image.tar")
    at = data.index(b" SHA512 ", at) + 20
    first.write_bytes(data[:at] + (b"0" if data[at : at + 1] != b"0" else b"1") + data[at + 1 :])
    report = sandbox.report(root, "--force")
    assert [(one["path"], one["error"]) for one in report["left_out"]] == [
        (str(first.relative_to(root.pkgdir)), "UnacceptedSignatureError")
    ]
    assert "bad signature" in report["left_out"][0]["reason"]
    assert str(second.relative_to(root.pkgdir)) in {entry["PATH"] for entry in sandbox.read(root)["packages"]}


def test_json_and_summary_speak_of_the_same_run(work: Path) -> None:
    root = sandbox.make_root(work)
    sandbox.build(root, specification(range(3)))
    (root.pkgdir / "app-misc/p1/p1-1-1.gpkg.tar").write_bytes(b"")
    done = sandbox.reindex(root)
    assert done.status == 3
    assert "2 packages (2 new, 1 left out), written" in done.stdout
    assert "left out: app-misc/p1/p1-1-1.gpkg.tar: the file is empty" in done.stderr
    told = json.loads(sandbox.reindex(root, "--json").stdout)
    assert (told["packages"], told["written"], told["opened"]) == (2, False, 0)
    assert told["left_out"] == [
        {"path": "app-misc/p1/p1-1-1.gpkg.tar", "error": "EmptyPackageError", "reason": "the file is empty"}
    ]
    assert sandbox.reindex(root, "--jobs", "-1").status == 2
