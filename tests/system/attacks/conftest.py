"""Fixtures of the attacks: one trusted binhost for all, a laboratory for each."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.attacks import lab as laboratory
from tests.system.attacks.lab import Lab, TrustedBinhost
from tests.testkit import hostile, keys, portages
from tests.testkit.binhost import Binhost
from tests.testkit.hostile import Hostile
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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of an attack in many forms make test plays the first: unit tests have each of them without emerge."""
    played: set[str] = set()
    for item in items:
        if item.path.parent == Path(__file__).parent:
            attack = item.nodeid.partition("[")[0]
            if attack in played:
                item.add_marker(pytest.mark.slow)
            played.add(attack)


@pytest.fixture(params=portages.played(laboratory.VARIABLE))
def portage(request: pytest.FixtureRequest) -> str:
    """The version of Portage that is attacked; ``make test-attacks`` plays every attack with each."""
    return str(request.param)


@pytest.fixture
def server(work: Path, trusted: TrustedBinhost) -> Iterator[Hostile]:
    """A copy of the trusted binhost on loopback; a test decides what else it answers."""
    directory = work / "served"
    shutil.copytree(trusted.pkgdir, directory)
    with hostile.serve(directory) as made:
        yield made


@pytest.fixture
def address(server: Hostile) -> str:
    """The sync-uri of the client."""
    return server.url


@pytest.fixture
def lab(work: Path, trusted: TrustedBinhost, portage: str, server: Hostile, address: str) -> Iterator[Lab]:
    """The binhost on ``server``, and a client that pins its key."""
    with laboratory.lab(work, trusted, address, work / "served", portage) as made:
        yield made


@pytest.fixture
def open_lab(lab: Lab) -> Lab:
    """A laboratory whose binhost publishes no Release and need not."""
    lab.settings("optional")
    lab.withdraw_release()
    (lab.directory / "Packages.zst").unlink()
    return lab


@pytest.fixture
def other_key(work: Path) -> Iterator[SigningKey]:
    """A key that nobody pinned."""
    key = keys.new_key(work / "other", "Other Binhost <other@example.invalid>")
    yield key
    keys.kill_agents(key.home)
