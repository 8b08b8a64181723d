"""Fixtures of the attacks: one trusted binhost for all, a laboratory for each."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.attacks import lab as laboratory
from tests.system.attacks.lab import Lab, TrustedBinhost
from tests.testkit import httpd, keys
from tests.testkit.binhost import Binhost
from tests.testkit.keys import SigningKey


@pytest.fixture(scope="session")
def trusted(binhost: Binhost) -> Iterator[TrustedBinhost]:
    """A binhost with signed packages, strong index and Release. Read only."""
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        work = Path(name)
        work.chmod(0o755)
        made = laboratory.build(work, binhost)
        yield made
        keys.kill_agents(made.key.home)


@pytest.fixture
def lab(work: Path, trusted: TrustedBinhost) -> Iterator[Lab]:
    """A copy of the trusted binhost on loopback, and a client that pins its key."""
    directory = work / "served"
    shutil.copytree(trusted.pkgdir, directory)
    with httpd.serve(directory) as server, laboratory.lab(work, trusted, server.url, directory) as made:
        yield made


@pytest.fixture
def other_key(work: Path) -> Iterator[SigningKey]:
    """A key that nobody pinned."""
    key = keys.new_key(work / "other", "Other Binhost <other@example.invalid>")
    yield key
    keys.kill_agents(key.home)
