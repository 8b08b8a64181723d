"""A real sshd on loopback, with keys of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.testkit import daemon

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")


@dataclass(frozen=True, slots=True)
class Sshd:
    """A running server: the URL of ``files`` on it, and the options that ssh needs."""

    url: str
    options: str
    files: Path


@contextmanager
def running(work: Path) -> Iterator[int]:
    """Run an sshd with the key ``host`` and the file ``authorized`` of ``work`` until the block ends; yields its port."""
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    assert SSHD is not None
    with daemon.free_port() as port:
        (work / "sshd.conf").write_text(
            f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {work}/host\nAuthorizedKeysFile {work}/authorized\n"
            f"PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n"
        )
        with daemon.running([SSHD, "-D", "-e", "-f", str(work / "sshd.conf")], port):
            yield port


def new_ssh_key(path: Path) -> str:
    """Make a key pair at ``path`` and return the public line, whose comment is the file's name."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)], check=True)
    return path.with_name(path.name + ".pub").read_text()


def client_options(key: Path) -> str:
    """What ssh needs to use ``key`` and nothing of this machine's own."""
    return (
        f"-i {key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o IdentitiesOnly=yes -F none"
    )


@contextmanager
def serve(work: Path) -> Iterator[Sshd]:
    """Run one until the block ends; ``files`` is a folder for what it serves."""
    new_ssh_key(work / "host")
    (work / "authorized").write_text(new_ssh_key(work / "user"))
    with running(work) as port:
        files = work / "a dir"
        files.mkdir()
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{files}".replace(" ", "%20")
        yield Sshd(url, client_options(work / "user"), files)
