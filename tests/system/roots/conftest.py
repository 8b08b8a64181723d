"""The keys of a binhost and of an offline machine: made once, and each test works on copies."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.testkit import keys
from tests.testkit.keys import SigningKey
from tests.testkit.offline import Offline


@dataclass(frozen=True, slots=True)
class Made:
    """``one`` and ``two`` are keys of binhosts; ``ann`` has one root key, ``both`` another one, of bob, too."""

    one: SigningKey
    two: SigningKey
    ann: Offline
    both: Offline


@pytest.fixture(scope="session")
def made() -> Iterator[Made]:
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        place = Path(name)
        one = keys.new_key(place / "one")
        two = keys.new_key(place / "two", "Second <second@example.invalid>")
        ann = Offline.create(place / "ann", "ann")
        keys.kill_agents(ann.home)
        both = ann.copied(place / "both")
        both.another("bob")
        for home in (one.home, two.home, both.home):
            keys.kill_agents(home)
        yield Made(one, two, ann, both)


def _copied(key: SigningKey, home: Path) -> Iterator[SigningKey]:
    shutil.copytree(key.home, home)
    yield replace(key, home=home)
    keys.kill_agents(home)


@pytest.fixture
def released(work: Path, made: Made) -> Iterator[SigningKey]:
    """The key of the binhost."""
    yield from _copied(made.one, work / "one")


@pytest.fixture
def second(work: Path, made: Made) -> Iterator[SigningKey]:
    yield from _copied(made.two, work / "two")
