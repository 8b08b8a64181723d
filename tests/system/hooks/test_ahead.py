"""The process that signs and publishes starts while emerge merges, and works when emerge has ended."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.system.hooks import afterwards
from tests.system.hooks.afterwards import published, said, until
from tests.system.publish.site import Host
from tests.testkit.binhost import Binhost
from tests.testkit.keys import SigningKey


@pytest.fixture
def host(work: Path, binhost: Binhost, key: SigningKey) -> Host:
    """With a package that waits in its merge until a file is there."""
    made = afterwards.building(work, binhost, key)
    repository = made.root.repositories[1]
    waits = 'touch "${EROOT}/tmp/reached" || die; while [[ ! -e ${EROOT}/tmp/go ]]; do sleep 0.05; done'
    repository.ebuild("app-misc/pauses-1.0", f"pkg_preinst() {{ {waits}; }}\n")
    return made


def ahead(host: Host) -> list[int]:
    """The processes that wait for the end of an emerge of this host."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            words = (directory / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--ahead" in words and os.fsencode(host.root.path) in b" ".join(words):
            found.append(int(directory.name))
    return found


def pausing(host: Host) -> subprocess.Popen[str]:
    """An emerge in the middle of a merge, whose package is in PKGDIR."""
    process = subprocess.Popen(
        ["emerge", "-1", "app-misc/pauses"],
        env=host.root.variables(),
        cwd=host.root.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until(lambda: (host.root.path / "tmp/reached").exists())
    return process


@pytest.mark.parametrize("killed", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_one_process_waits_while_emerge_merges_and_publishes_then(host: Host, killed: bool) -> None:
    emerge = pausing(host)
    (process,) = ahead(host)
    assert published(host) == set(), "it does not begin before emerge has ended"
    quickly = (host.root.pkgdir / "Packages.gz").read_bytes()
    assert gzip.decompress(quickly) == (host.root.pkgdir / "Packages").read_bytes()
    assert quickly[8] == 4, "gzip's mark of the quickest level"
    if killed:  # then emerge starts another one
        os.kill(process, signal.SIGKILL)
        until(lambda: not ahead(host))
    (host.root.path / "tmp/go").touch()
    _, errors = emerge.communicate()
    assert emerge.returncode == 0, errors
    assert [line for line in errors.splitlines() if "published as release 1 of staging" in line], errors
    assert published(host) == {"pauses-1.0-1"}
    assert (host.root.pkgdir / "Packages.gz").read_bytes()[8] == 2, "gzip's mark of the best level"
    assert not ahead(host)


@pytest.mark.slow
def test_it_ends_with_a_killed_emerge_and_leaves_the_mark(host: Host) -> None:
    emerge = pausing(host)
    assert ahead(host)
    emerge.kill()
    emerge.communicate()
    os.killpg(emerge.pid, signal.SIGTERM)  # the phase, which knows nothing of that
    until(lambda: not ahead(host))
    assert published(host) == set()
    until(lambda: len(afterwards.open_marks(host)) == 1)
    (host.root.path / "tmp/go").touch()
    assert said(host.root.emerge("-1", "--noreplace", "--onlydeps", "app-misc/hello").ok())
    assert published(host) == {"pauses-1.0-1"}
