"""ssh:// against a real sshd on loopback, with keys of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portage_ext.errors.trust import MirrorError, NotFoundError, UnsupportedUrlError
from portage_ext.fetch.sinks import MemorySink
from portage_ext.fetch.ssh import SshTransport, command
from portage_ext.fetch.transfer import Patience, Transfer
from tests.testkit.sshd import SSHD, Sshd, serve

DATA = os.urandom(300_000)
pytestmark = pytest.mark.skipif(SSHD is None, reason="there is no sshd here (openssh-server)")


@pytest.fixture
def sshd(work: Path) -> Iterator[Sshd]:
    with serve(work) as running:
        (running.files / "it's a file").write_bytes(DATA)
        yield running


def run(sshd: Sshd, name: str, sink: MemorySink, offset: int = 0) -> None:
    transfer = Transfer(f"{sshd.url}/{name}", len(DATA), sink.write, sink.restart, offset)
    SshTransport(sshd.options).run(transfer, Patience(20, 0, 60))


def test_a_file_comes_whole_and_is_continued(sshd: Sshd) -> None:
    sink = MemorySink()
    run(sshd, "it's%20a%20file", sink)
    assert sink.data == DATA
    continued = MemorySink()
    continued.write(DATA[:100_000])
    run(sshd, "it's%20a%20file", continued, 100_000)
    assert continued.data == DATA


def test_a_file_that_is_not_there(sshd: Sshd) -> None:
    with pytest.raises(NotFoundError):
        run(sshd, "absent", MemorySink())


@pytest.mark.parametrize("place", ["there", "there/deeper", "file", "."])
def test_a_file_that_is_kept_from_us_is_not_one_that_is_not_there(work: Path, place: str) -> None:
    (work / "there/closed").mkdir(parents=True)
    (work / "file").write_text("")
    (work / "there/closed/1").write_text("")
    # Root may search every directory: ask as somebody else.
    as_other: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    work.chmod(0o755)
    (work / "there").chmod(0o755)

    def asked(path: Path) -> int:
        remote = command(f"ssh://h{path}", 0, [], 1)[-1]
        return subprocess.run(["/bin/sh", "-c", remote], cwd="/", capture_output=True, check=False, **as_other).returncode

    assert asked(work / "there/closed/1") == 0
    (work / "there/closed").chmod(0)
    try:
        assert asked(work / "there/closed/1") == 77
        assert asked(work / "there/closed/deeper/1") == 77
    finally:
        (work / "there/closed").chmod(0o755)
    assert asked(work / place / "absent") == 66


def test_a_name_is_no_command_on_the_other_side(sshd: Sshd) -> None:
    with pytest.raises(NotFoundError):
        run(sshd, "x;touch%20pwned;'$(touch%20pwned)", MemorySink())
    assert sorted(path.name for path in sshd.files.iterdir()) == ["it's a file"]
    assert not Path("pwned").exists()


def test_a_host_that_refuses_is_a_mirror_error(sshd: Sshd, work: Path) -> None:
    (work / "authorized").write_text("")
    with pytest.raises(MirrorError, match="status 255"):
        run(sshd, "it's%20a%20file", MemorySink())


@pytest.mark.parametrize("url", ["ssh:///path", "ssh://-oProxyCommand=x/path", "ssh://-l@h/path"])
def test_a_host_that_looks_like_an_option_is_none(url: str) -> None:
    with pytest.raises(UnsupportedUrlError):
        command(url, 0, [], 5)
