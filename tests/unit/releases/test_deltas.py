"""A release takes the deltas of the live releases along, as long as it has the package that they make."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from portage_ext.model.delta import DIRECTORY, NAME, Compressor, Delta, emit, parse
from portage_ext.model.release import binding
from portage_ext.releases.beside import FROM_EARLIER, LATER_EXPIRY
from portage_ext.releases.contents import Contents
from portage_ext.releases.deltas import Writer, offered
from portage_ext.releases.made import Staged
from tests.unit.releases.published import Site, site

NEW, OLD, OLDER, OTHER = (letter * 128 for letter in "abcd")
FILE = "e" * 128
DELTA = Delta(NEW, 5000, OLD, 4000, 9000, FILE, 100, 10, 10, 9000, Compressor("1.5.5"))
NOTHING = Contents({}, {}, b"")


def live(work: Path, number: int, *deltas: Delta) -> None:
    """The live release ``number`` with ``deltas``."""
    directory = work / str(number)
    (directory / DIRECTORY).mkdir(parents=True)
    (directory / NAME).write_bytes(emit(deltas))
    for one in deltas:
        (directory / one.path).write_bytes(b"a delta")


def staged(work: Path, digest: str = NEW, **channels: int) -> Staged:
    """A release in the making with one package, which has this digest."""
    directory = work / "staging"
    directory.mkdir()
    text = f"BLAKE2B: {digest}\nCPV: app-misc/a-1\nPATH: app-misc/a/a-1-1.gpkg.tar\nSIZE: 5000".encode()
    contents = Contents({}, {"app-misc/a/a-1-1.gpkg.tar": text}, text)
    return Staged(directory, "production", 9, "0" * 32, "published", 1, 2, NOTHING, contents, None, channels, 0)


def write(work: Path, made: Staged) -> tuple[Delta, ...]:
    """The deltas of the release; what the index binds is what was written."""
    header = Writer(lambda number: work / str(number), warn=pytest.fail).write(made)
    if not header:
        assert not (made.directory / DIRECTORY).exists()
        return ()
    data = (made.directory / NAME).read_bytes()
    assert header == binding(NAME, data)
    return parse(data, "test")


def test_two_deltas_with_the_same_bytes_are_one_file_and_both_stay(tmp_path: Path) -> None:
    both = DELTA, replace(DELTA, base=OLDER)
    live(tmp_path, 3, *both)
    made = staged(tmp_path, production=3)
    assert set(write(tmp_path, made)) == set(both)
    assert [path.name for path in (made.directory / DIRECTORY).iterdir()] == [f"{FILE}.zst"]


def test_a_delta_of_two_channels_is_listed_once(tmp_path: Path) -> None:
    live(tmp_path, 3, DELTA)
    live(tmp_path, 4, DELTA)
    assert write(tmp_path, staged(tmp_path, production=3, staging=4)) == (DELTA,)


def test_a_delta_to_a_package_that_is_gone_is_left_out(tmp_path: Path) -> None:
    live(tmp_path, 3, DELTA)
    assert write(tmp_path, staged(tmp_path, OTHER, production=3)) == ()


def test_a_delta_whose_file_is_gone_is_left_out(tmp_path: Path) -> None:
    live(tmp_path, 3, DELTA)
    (tmp_path / "3" / DELTA.path).unlink()
    assert write(tmp_path, staged(tmp_path, production=3)) == ()


def test_a_damaged_list_of_an_earlier_release_costs_its_deltas_alone(tmp_path: Path) -> None:
    live(tmp_path, 3, DELTA)
    (tmp_path / "3" / NAME).write_bytes(b"{")
    assert write(tmp_path, staged(tmp_path, production=3)) == ()
    assert offered(tmp_path / "3") is None


def test_what_a_client_saves_counts_one_delta_for_each_package(tmp_path: Path) -> None:
    live(tmp_path, 3, DELTA, replace(DELTA, base=OLDER, size=300))
    found = offered(tmp_path / "3")
    assert found is not None
    assert (found.count, found.saved) == (2, 4900)


@pytest.fixture
def made(tmp_path: Path) -> Site:
    return site(tmp_path)


class Offering:
    """Deltas as the index binds them: ``bound``."""

    def __init__(self, bound: str) -> None:
        self.bound = bound

    def write(self, staged: Staged) -> str:
        return self.bound

    def offered(self, directory: Path) -> None:
        return None


def test_a_request_that_adds_no_delta_leaves_the_release_as_it_is(made: Site) -> None:
    made.pkgdir.add("app-misc/foo-1.0")
    made.publish()
    made.publisher._deltas = Offering("")
    done = made.publisher.renew("production", force=FROM_EARLIER)
    assert (done.number, done.release) == (1, None)
    assert made.tree.channels() == {"production": 1}
    assert made.tree.numbers() == [1]
    assert not made.tree.staging.exists()
    made.publisher._deltas = Offering("some")
    assert made.publisher.renew("production", force=FROM_EARLIER).number == 2
    done = made.publisher.renew("production", force=FROM_EARLIER)
    assert (done.number, done.release) == (2, None)


def test_a_request_for_deltas_that_adds_none_still_prolongs_a_release(made: Site) -> None:
    made.pkgdir.add("app-misc/foo-1.0")
    made.publish()
    made.publisher._deltas = Offering("")
    made.clock.now += 60 * 86400
    done = made.publisher.renew("production", force=FROM_EARLIER)
    assert done.number == 2
    assert LATER_EXPIRY in done.beside
