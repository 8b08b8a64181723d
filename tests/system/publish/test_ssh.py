"""The forced commands of etc/examples under a real sshd: a mirror is pushed to, a client fetches, and nobody does more."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from portage_ext.errors.trust import NotFoundError
from portage_ext.fetch.sinks import MemorySink
from portage_ext.fetch.ssh import SshTransport
from portage_ext.fetch.transfer import Patience, Transfer
from portage_ext.releases.mirror import Mirror
from tests.testkit.sshd import SSHD, client_options, new_ssh_key, running
from tests.unit.releases.published import Site, site, snapshot

EXAMPLES = Path(__file__).parents[3] / "etc/examples"
pytestmark = pytest.mark.skipif(SSHD is None or shutil.which("rrsync") is None, reason="needs sshd and rrsync")


@dataclass(frozen=True, slots=True)
class Sshd:
    """A running sshd. ``key`` is a private key by the name of the line in the example that it stands in."""

    port: int
    work: Path

    def words(self, name: str) -> str:
        return client_options(self.work / name)


@pytest.fixture
def made(work: Path) -> Site:
    made = site(work)
    made.pkgdir.add("app-misc/foo-1")
    made.publish()
    return made


@pytest.fixture
def sshd(work: Path, made: Site) -> Iterator[Sshd]:
    (work / "mirror").mkdir()
    lines = {}
    for line in (EXAMPLES / "ssh-forced-command").read_text().split("\n"):
        if match := re.fullmatch(r"restrict,command=\"(.*)\" ssh-ed25519 \S+ (\S+)", line):
            lines[match[2]] = match[1]
    assert set(lines) == {"publisher", "mirror-eu", "client"}
    folders = {"publisher": work / "mirror", "mirror-eu": made.tree.root, "client": made.tree.root}
    shutil.copy(EXAMPLES / "ssh-read-only", work)
    new_ssh_key(work / "host")
    text = ""
    for name, line in lines.items():
        command = line.replace("/srv/binhost/amd64", str(folders[name])).replace("/usr/local/lib/portage-ext", str(work))
        text += f'restrict,command="{command}" {new_ssh_key(work / name)}'
    (work / "authorized").write_text(text)
    with running(work) as port:
        yield Sshd(port, work)


def test_a_mirror_is_pushed_to_through_the_forced_command(made: Site, sshd: Sshd, work: Path) -> None:
    rsh = f"--rsh=ssh -p {sshd.port} {sshd.words('publisher')}"
    mirror = Mirror("eu", f"{getpass.getuser()}@127.0.0.1:/", made.tree, options=[rsh])
    assert mirror.push().sent == (1,)
    assert snapshot(work / "mirror/production") == snapshot(made.served())
    made.publish_within_a_second("app-misc/foo-2", 1)
    mirror.push()
    made.publish_within_a_second("app-misc/foo-2", 2)
    # Neither a mirror nor a server looks into what is there; a publisher does.
    made.give_root()
    mirror.push()
    assert (work / "mirror/production/root/1").read_bytes() == b"1"
    assert (work / "mirror/releases/1/root/1").read_bytes() == b"1"
    made.tree.remove(1)
    assert mirror.push().removed == (1,)
    assert snapshot(work / "mirror/production") == snapshot(made.served())
    assert "up to date" in str(mirror.lag()[0])


def test_a_mirror_that_pulls_may_read_and_not_write(made: Site, sshd: Sshd, work: Path) -> None:
    place = f"{getpass.getuser()}@127.0.0.1:/"
    rsh = f"--rsh=ssh -p {sshd.port} {sshd.words('mirror-eu')}"
    environment = {**os.environ, "LC_ALL": "C"}
    subprocess.run(["rsync", "-a", rsh, f"{place}releases", f"{place}pool", str(work / "pulled/")], env=environment, check=True)
    assert snapshot(work / "pulled/releases/1") == snapshot(made.served())
    written = subprocess.run(["rsync", "-a", rsh, str(work / "sshd.conf"), place], env=environment, check=False)
    assert written.returncode != 0


def test_a_client_fetches_packages_and_nothing_else(made: Site, sshd: Sshd, work: Path) -> None:
    def fetch(path: str, offset: int = 0) -> bytes:
        sink = MemorySink()
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{sshd.port}{path}"
        SshTransport(sshd.words("client")).run(Transfer(url, 1 << 20, sink.write, sink.restart, offset), Patience(20, 0, 60))
        return bytes(sink.data)

    package = made.served() / made.name("app-misc/foo/foo-1-1.gpkg.tar")
    assert fetch(str(package)) == package.read_bytes()
    assert fetch(str(made.served() / "Release")) == (made.served() / "Release").read_bytes()
    made.give_root()
    assert fetch(str(made.served() / "root/1")) == b"1"
    (made.tree.root / "leak").symlink_to(work / "sshd.conf")
    for path in ("/etc/passwd", f"{made.tree.root}/leak", f"{made.served()}/.release.json", f"{made.tree.root}/../sshd.conf"):
        with pytest.raises(NotFoundError):
            fetch(path)
    words = ["ssh", "-p", str(sshd.port), *sshd.words("client").split(), f"{getpass.getuser()}@127.0.0.1", "id"]
    assert subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 77
