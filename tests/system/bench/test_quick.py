"""The quick table of the bench: every row that this machine has the programs for is measured by real commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile

import pytest

from tests.testkit.environments import CHECKOUT

TINY = ("--counts", "12", "--signed", "12", "--releases", "30", "--many", "60", "--manifests", "3", "--binaries", "6")
PEERS = ("createrepo_c", "rpmbuild", "apt-ftparchive", "reprepro")


@pytest.mark.slow
def test_every_row_is_measured() -> None:
    # gpg's sockets need a short name.
    with tempfile.TemporaryDirectory(prefix="pe-", ignore_cleanup_errors=True) as name:
        words = [sys.executable, "-m", "bench.all", name, "--quick", *TINY, "--megabytes", "2"]
        done = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=False)
        left = os.path.exists(f"{name}/releases")
    lacking = [program for program in PEERS if not shutil.which(program)]
    assert ": failed: " not in done.stderr
    assert done.returncode == (1 if lacking else 0), done.stderr[-2000:]
    for what in (
        "full reindex of 12 unsigned",
        "full reindex of 12 signed",
        "one change among 12, Portage by ours",
        "one change among 12, reprepro by ours",
        "full index of 12, apt-ftparchive by ours",
        "signing 3: gpkg-sign",
        "verifying 3",
        "fetching a small package",
        "5 small packages fetched by one emerge",
        'after-emerge = "publish"',
        "roll back; 30 packages",
        "directories that a release adds",
        "memory of a full reindex of 60",
        "plan check of 6 binaries",
    ):
        assert f"\n{what}" in done.stdout, what
    assert not left
