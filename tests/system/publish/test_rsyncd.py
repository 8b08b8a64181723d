"""The example of etc/examples under a real rsync daemon, and a mirror that pulls as docs/publishing.md says."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testkit import daemon
from tests.unit.releases.published import Site, site, snapshot

CHECKOUT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(shutil.which("rsync") is None, reason="needs rsync")


@pytest.fixture
def made(work: Path) -> Site:
    made = site(work)
    made.pkgdir.add("app-misc/foo-1", image=os.urandom(5000))
    made.publish()
    return made


@pytest.fixture
def url(made: Site, work: Path, port: int) -> Iterator[str]:
    """rsyncd with the example: only the folder is changed, and who it runs as, for nobody may not look into a test's folder."""
    text = (CHECKOUT / "etc/examples/rsyncd-binhost.conf").read_text()
    changes = [("\n    path = /srv/binhost\n", f"\n    path = {made.tree.root}\n")]
    if os.getuid() == 0:
        changes.append(("\n    read only = yes\n", "\n    read only = yes\n    uid = 0\n    gid = 0\n"))
    else:
        changes.append(("use chroot = yes", "use chroot = no"))
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    (work / "rsyncd.conf").write_text(f"log file = {work}/rsyncd.log\npid file = {work}/rsyncd.pid\n{text}")
    words = ["rsync", "--daemon", "--no-detach", "--address=127.0.0.1", f"--port={port}", f"--config={work}/rsyncd.conf"]
    with daemon.running(words, port, work / "rsyncd.log"):
        yield f"rsync://127.0.0.1:{port}/binhost"


def pull(url: str, mirror: Path, *, roots: bool = False) -> None:
    """The commands of docs/publishing.md, with their placeholders filled in; ``roots``: the tree has an offline root."""
    listed = subprocess.run(["rsync", "-l", "--list-only", f"{url}/production"], capture_output=True, text=True, check=True)
    number = listed.stdout.strip().rsplit("/", 1)[1]
    guide = (CHECKOUT / "docs/publishing.md").read_text().split("with plain rsync", 1)[1].split("N is where", 1)[0]
    commands = [line.strip() for line in guide.splitlines() if line.startswith("    ")]
    assert len(commands) == 7
    assert commands[1].endswith("# only with an offline root")
    commands = commands if roots else [commands[0], *commands[2:]]
    meant = {"SRC/": f"{url}/", "/N": f"/{number}", "/srv/mirror": str(mirror)}
    for command in commands:
        for placeholder, value in meant.items():
            command = command.replace(placeholder, value)
        subprocess.run(["bash", "-ec", command], check=True)


def test_a_mirror_that_pulls_serves_the_release_whole_and_forgets_with_the_publisher(made: Site, url: str, work: Path) -> None:
    mirror = work / "mirror"
    pull(url, mirror)
    assert snapshot(mirror / "production") == snapshot(made.served())
    made.pkgdir.add("app-misc/foo-2")
    made.publish()
    # Files of both releases may have the same size and come from the same second: neither may be taken for the other.
    first, second = (made.tree.directory(number) for number in (1, 2))
    for path in first.iterdir():
        if path.is_file():
            old = path.stat().st_mtime_ns
            os.utime(second / path.name, ns=(old, old // 10**9 * 10**9 + (old + 1) % 10**9))
    made.tree.remove(1)
    pull(url, mirror)
    assert snapshot(mirror / "production") == snapshot(made.served())
    assert os.listdir(mirror / "releases") == ["2"]
    assert snapshot(mirror / "pool") == snapshot(made.tree.root / "pool")


def test_a_mirror_of_a_channel_alone_has_its_packages(made: Site, url: str, work: Path) -> None:
    subprocess.run(["rsync", "-a", "--copy-unsafe-links", f"{url}/production/", str(work / "alone/")], check=True)
    assert snapshot(work / "alone") == snapshot(made.served())
    assert not [path for path in (work / "alone").rglob("*") if path.is_symlink()]


def test_a_mirror_that_pulls_has_the_roots_too(made: Site, url: str, work: Path) -> None:
    made.give_root()
    mirror = work / "mirror"
    pull(url, mirror, roots=True)
    assert snapshot(mirror / "root") == snapshot(made.tree.root / "root")
    assert (mirror / "production/root/1").read_bytes() == b"1"


def test_nothing_unsigned_is_shown_and_nothing_can_be_written(made: Site, url: str, work: Path) -> None:
    (made.tree.root / "releases/.staging").mkdir()
    (made.tree.root / "releases/.staging/Packages").write_text("unsigned")
    subprocess.run(["rsync", "-a", f"{url}/", str(work / "all/")], check=True)
    found = {path.name for path in (work / "all").rglob("*")}
    assert "Release.asc" in found
    assert not {name for name in found if name.startswith(".")} - {".release.json", ".blocks.json", ".names"}
    (work / "x").write_text("x")
    written = subprocess.run(["rsync", str(work / "x"), f"{url}/"], capture_output=True, text=True, check=False)
    assert "read only" in written.stderr
