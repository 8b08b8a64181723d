"""What clients of a channel see while it is published, promoted, rolled back and pruned."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.errors.releases import (
    ChangingPkgdirError,
    GateError,
    PoolNameError,
    PublishError,
    UnknownChannelError,
    UnknownNumberError,
)
from portage_ext.index.expand import expand
from portage_ext.releases.gates import Candidate, Gate
from portage_ext.releases.gates import Finding as Objection
from portage_ext.releases.linking import Placed, copy
from portage_ext.releases.made import Published, Source
from portage_ext.releases.retention import Keep, expendable
from tests.unit.releases.published import Site, sealed_again, site, snapshot


@pytest.fixture
def made(tmp_path: Path) -> Site:
    return site(tmp_path)


class Refusing:
    """A gate that objects to everything; the shape of a gate is all that the publisher knows."""

    name = "refusing"

    def check(self, candidate: Candidate) -> list[Objection]:
        return [Objection(self.name, path, "is not liked") for path in candidate.fresh]


def test_a_release_holds_what_its_index_names_as_links_to_pkgdir(made: Site) -> None:
    path = made.pkgdir.add("app-misc/foo-1")
    made.publish()
    assert (made.served() / made.name(path)).samefile(made.pkgdir.path / path)
    assert os.readlink(made.served()) == "releases/1"


def test_every_form_of_the_index_says_the_same_and_is_stamped_anew(made: Site) -> None:
    made.pkgdir.add("app-misc/foo-1")
    made.publish()
    plain = (made.served() / "Packages").read_bytes()
    assert f"TIMESTAMP: {made.clock.now}\n".encode() in plain
    for form in ("Packages.gz", "Packages.zst"):
        assert expand(form, (made.served() / form).read_bytes(), len(plain), form) == plain


def test_a_release_that_is_not_different_is_not_made(made: Site) -> None:
    made.pkgdir.add("app-misc/foo-1")
    made.publish()
    before = snapshot(made.tree.root)
    made.publish()
    assert snapshot(made.tree.root) == before


def test_a_file_that_the_live_release_lost_comes_from_pkgdir_again(made: Site) -> None:
    path = made.pkgdir.add("app-misc/foo-1")
    made.publish()
    (made.served() / made.name(path)).unlink()
    made.publish()
    assert made.tree.live("production") == 2
    assert (made.served() / made.name(path)).samefile(made.pkgdir.path / path)


def test_a_file_that_is_lost_everywhere_keeps_nothing_from_being_published(made: Site) -> None:
    made.pkgdir.add("app-misc/foo-1")
    path = made.pkgdir.add("app-misc/bar-1")
    made.publish()
    lost = made.name(path)
    (made.served() / lost).unlink()
    made.pkgdir.remove(path)
    made.publish()
    assert made.tree.live("production") == 2
    assert not (made.served() / lost).exists()


def test_an_unchanged_channel_is_renewed_when_half_its_validity_is_over(made: Site) -> None:
    made.pkgdir.add("app-misc/foo-1")
    made.publish()
    made.clock.now += 86400 * 16
    made.publish()
    assert made.tree.live("production") == 2
    assert made.tree.release(2).expires > made.tree.release(1).expires


def test_published_releases_never_change(made: Site) -> None:
    made.pkgdir.add("app-misc/foo-1")
    made.publish()
    before = snapshot(made.tree.directory(1))
    for version in range(2, 5):
        made.pkgdir.add(f"app-misc/foo-{version}")
        made.publish()
    made.publisher.rollback("production")
    assert snapshot(made.tree.directory(1)) == before


def test_a_package_that_left_the_index_stays_within_reach_for_the_grace_time_and_no_longer(made: Site) -> None:
    path = made.pkgdir.add("app-misc/foo-1")
    made.pkgdir.add("app-misc/bar-1")
    made.publish()
    old = made.name(path)
    made.pkgdir.remove(path)
    made.publish()
    assert (made.served() / old).exists()
    made.clock.now += 3590
    made.pkgdir.add("app-misc/bar-2")
    made.publish()
    assert (made.served() / old).exists()
    made.clock.now += 20
    made.pkgdir.add("app-misc/bar-3")
    made.publish()
    assert made.tree.note(4).carried == {}
    made.tree.remove(1, 2, 3)
    assert not (made.served() / old).exists()


def test_going_back_is_a_newer_release_with_a_newer_timestamp(made: Site) -> None:
    made.pkgdir.add("app-misc/foo-1")
    made.publish()
    first = made.tree.contents(1)
    made.pkgdir.add("app-misc/foo-2")
    made.publish()
    made.publisher.rollback("production")
    assert made.tree.live("production") == 3
    assert made.tree.contents(3).same_as(first)
    assert int(made.tree.contents(3).header["TIMESTAMP"]) > int(made.tree.contents(2).header["TIMESTAMP"])
    assert made.tree.release(3).version == 3


def test_going_back_twice_goes_back_two_contents(made: Site) -> None:
    for version in (1, 2, 3):
        made.pkgdir.add(f"app-misc/foo-{version}")
        made.publish()
    made.publisher.rollback("production")
    made.publisher.rollback("production")
    assert made.tree.contents(made.tree.live("production")).same_as(made.tree.contents(1))
    with pytest.raises(UnknownNumberError):
        made.publisher.rollback("production")


def test_only_a_release_of_the_channel_can_be_gone_back_to(made: Site) -> None:
    made.pkgdir.add("app-misc/foo-1")
    made.publish("staging")
    made.publish("production")
    with pytest.raises(UnknownNumberError):
        made.publisher.rollback("production", 1)


def test_promoting_names_the_other_channel_and_one_repository(made: Site) -> None:
    made.pkgdir.add("app-misc/foo-1")
    made.publish("staging")
    made.publisher.promote("staging", "production")
    staging, production = made.tree.release(1), made.tree.release(2)
    assert (staging.channel, production.channel) == ("staging", "production")
    assert staging.repository == production.repository
    assert made.tree.contents(1).body == made.tree.contents(2).body
    with pytest.raises(UnknownChannelError):
        made.publisher.promote("testing", "production")


def test_what_a_gate_objects_to_stays_in_staging_and_the_next_run_removes_it(made: Site) -> None:
    path = made.pkgdir.add("app-misc/foo-1")
    gate: Gate = Refusing()
    with pytest.raises(GateError) as refused:
        made.publish(gates=(gate,))
    assert [one.where for one in refused.value.findings] == [path]
    assert made.tree.channels() == {}
    assert (made.tree.staging / made.name(path)).exists()
    made.publish()
    assert not made.tree.staging.exists()
    assert made.tree.channels() == {"production": 1}


def test_a_package_replaced_behind_the_publishers_back_is_not_published(made: Site) -> None:
    path = made.pkgdir.add("app-misc/foo-1")
    made.pkgdir.write()

    def replace() -> None:
        other = made.pkgdir.path / "other"
        other.write_bytes(b"something else")
        other.rename(made.pkgdir.path / path)

    with pytest.raises(ChangingPkgdirError):
        made.publisher.publish("production", Source(made.pkgdir.path, "published", hold=lambda: nullcontext(replace())))
    assert made.tree.channels() == {}


def test_a_package_replaced_once_is_published_as_the_index_then_says(made: Site) -> None:
    made.pkgdir.add("app-misc/foo-1")
    made.pkgdir.write()
    rounds: list[int] = []

    def refresh() -> None:
        rounds.append(1)
        if len(rounds) == 1:
            made.pkgdir.add("app-misc/foo-1", image=os.urandom(50_000))
        else:
            made.pkgdir.write()

    made.publisher.publish("production", Source(made.pkgdir.path, "published", hold=lambda: nullcontext(refresh())))
    assert len(rounds) == 2
    assert made.tree.live("production") == 1


def test_what_a_killed_publisher_left_is_removed_and_its_number_is_not_used_again(made: Site) -> None:
    made.pkgdir.add("app-misc/foo-1")
    made.publish()
    made.pkgdir.add("app-misc/foo-2")
    made.publish()
    # Killed between the release's name and the switch; and another one before its release had a name.
    made.tree.switch("production", 1)
    made.tree.staging.mkdir()
    (made.tree.staging / "Packages").touch()
    (made.tree.root / ".portage-ext.production.1234").symlink_to("releases/2")
    made.pkgdir.add("app-misc/foo-3")
    made.publish()
    assert made.tree.numbers() == [1, 3]
    assert made.tree.channels() == {"production": 3}
    assert sorted(path.name for path in made.tree.root.iterdir()) == [".lock", "pool", "production", "releases"]


def test_a_failure_of_the_system_says_where_the_channel_stands(made: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    made.pkgdir.add("app-misc/foo-1")
    made.publish()
    made.pkgdir.add("app-misc/foo-2")

    def fails(number: int) -> None:
        raise OSError(28, "No space left on device", "somewhere")

    # A mock: at exactly this step. Real full disks and broken ones are in tests/system/crash.
    monkeypatch.setattr(made.tree, "commit", fails)
    with pytest.raises(PublishError) as failed:
        made.publish()
    assert "release 1, which is complete" in str(failed.value)
    assert not made.tree.staging.exists()


def test_packages_are_copied_where_they_cannot_be_linked(tmp_path: Path) -> None:
    others = [
        path
        for path in ("/dev/shm", "/tmp", "/var/tmp")
        if os.path.isdir(path) and os.stat(path).st_dev != tmp_path.stat().st_dev
    ]
    if not others:
        pytest.skip("needs two file systems")
    with tempfile.TemporaryDirectory(prefix="pe-", dir=others[0]) as elsewhere:
        made = site(Path(elsewhere))
        outside = tmp_path / "binpkgs"
        outside.mkdir()
        made.pkgdir.path = outside
        path = made.pkgdir.add("app-misc/foo-1")
        made.publish()
        name = made.name(path)
        assert (made.served() / name).read_bytes() == (outside / path).read_bytes()
        assert (made.served() / name).stat().st_mtime_ns == (outside / path).stat().st_mtime_ns
        made.pkgdir.add("app-misc/foo-2")
        made.publish()
        assert made.tree.directory(1).joinpath(name).samefile(made.served() / name)


def test_many_files_are_placed_by_several_threads_to_the_same_end(made: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [made.pkgdir.add(f"{category}/p{n}-1") for category in ("app-misc", "dev-libs", "sys-apps") for n in range(5)]
    monkeypatch.setattr(limits, "PLACE_TOGETHER_FROM", 1)  # a bound, lowered: thousands of files would say no more
    done = made.publish()
    assert isinstance(done, Published)
    assert done.placed.linked == len(paths)
    assert all((made.served() / made.name(path)).samefile(made.pkgdir.path / path) for path in paths)


def keep(count: int, age: int = 0, grace: int = 0) -> Keep:
    return Keep(count, age, grace)


def published(made: Site, times: int, channel: str = "production", every: int = 1000) -> None:
    for number in range(times):
        made.pkgdir.add(f"app-misc/{channel}-{number}")
        made.clock.now += every
        made.publish(channel)


def test_retention_keeps_the_newest_by_count(made: Site) -> None:
    published(made, 5)
    now = made.clock.now + 10_000
    assert expendable(made.tree.known(), made.tree.channels(), lambda _: keep(2), now) == [1, 2, 3]


def test_retention_never_removes_the_live_release(made: Site) -> None:
    published(made, 3)
    made.tree.switch("production", 1)
    assert 1 not in expendable(made.tree.known(), made.tree.channels(), lambda _: keep(1), made.clock.now + 10**9)


def test_retention_keeps_what_was_live_within_age_or_grace(made: Site) -> None:
    published(made, 5)
    # Release 3 was replaced 1001 seconds before the last one was made; the skew of a switch is 600.
    now = made.clock.now
    assert expendable(made.tree.known(), made.tree.channels(), lambda _: keep(1, age=1300), now) == [1, 2]
    assert expendable(made.tree.known(), made.tree.channels(), lambda _: keep(1, grace=1300), now) == [1, 2]


def test_retention_is_by_channel(made: Site) -> None:
    published(made, 3, "staging")
    published(made, 3, "production")
    rules = {"staging": keep(1), "production": keep(3)}
    now = made.clock.now + 10**6
    assert expendable(made.tree.known(), made.tree.channels(), rules.__getitem__, now) == [1, 2]


def test_a_damaged_file_of_the_pool_is_replaced_and_never_used_again(made: Site, tmp_path: Path) -> None:
    path = made.pkgdir.add("app-misc/foo-1")
    made.publish()
    name = made.name(path)
    place = made.tree.root / "pool" / name
    sound, status = place.read_bytes(), place.stat()
    # Another file, of the same size.
    place.unlink()
    place.write_bytes(sound[:-1] + b"x")
    assert made.publish().beside == ("1 package missing from release 1",)
    assert (made.served() / name).read_bytes() == sound
    # Of the same bytes: nothing to do.
    place.unlink()
    place.write_bytes(sound)
    assert made.publish().release is None
    assert status.st_size == place.stat().st_size


def test_two_packages_whose_digests_begin_alike_are_never_taken_for_each_other(
    made: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A mock: nobody can make two such packages for a test.
    monkeypatch.setattr("portage_ext.releases.pool.names.number", lambda digest: 10**19)
    monkeypatch.setattr("portage_ext.releases.pool.files.number", lambda digest: 10**19)
    made.pkgdir.add("app-misc/foo-1")
    made.publish()
    before = snapshot(made.served())
    made.pkgdir.add("app-misc/foo-1", image=b"other")
    with pytest.raises(PoolNameError):
        made.publish()
    assert snapshot(made.served()) == before


def test_files_with_the_same_bytes_are_listed_once(made: Site) -> None:
    path = made.pkgdir.add("app-misc/foo-1")
    twin = path.replace("foo-1-1", "foo-1-2")
    os.link(made.pkgdir.path / path, made.pkgdir.path / twin)
    made.pkgdir.packages[twin] = {**made.pkgdir.packages[path], "PATH": twin}
    done = made.publish()
    assert done.packages == 1
    assert list(made.tree.contents(1).entries) == [made.name(path)]
    assert made.tree.contents(1).header["PACKAGES"] == "1"


def pool(made: Site) -> set[str]:
    top = made.tree.root / "pool"
    return {str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()}


def test_a_package_is_removed_with_the_last_release_that_names_it(made: Site) -> None:
    made.pkgdir.add("app-misc/foo-1")
    path = made.pkgdir.add("dev-libs/bar-1")
    made.publish("staging")
    bar, foo = made.name(path), made.name("app-misc/foo/foo-1-1.gpkg.tar")
    made.publisher.promote("staging", "production")
    made.pkgdir.remove(path)
    made.publish("staging")
    made.clock.now += 4000
    made.pkgdir.add("app-misc/foo-2")
    made.publish("staging")
    made.tree.remove(1, 3)
    assert {foo, bar} < pool(made)
    made.publisher.promote("staging", "production")
    made.clock.now += 4000
    made.pkgdir.add("app-misc/foo-3")
    made.publish("staging")
    made.publisher.promote("staging", "production")
    made.tree.remove(2, 5)
    assert bar not in pool(made)
    assert foo in pool(made)
    assert not (made.tree.root / "pool/dev-libs").exists()


def test_what_a_refused_or_killed_run_added_to_the_pool_is_removed(made: Site) -> None:
    made.pkgdir.add("app-misc/foo-1")
    made.publish()
    path = made.pkgdir.add("app-misc/bar-1")
    with pytest.raises(GateError):
        made.publish(gates=(Refusing(),))
    bar = made.name(path)
    assert bar in pool(made)
    # Killed while it copied a file, before there was an index.
    (made.tree.staging / "Packages").unlink(missing_ok=True)
    (made.tree.root / "pool" / f"app-misc/bar/.portage-ext.{bar.rpartition('/')[2]}").touch()
    made.pkgdir.remove(path)
    made.publish()
    made.tree.recover()
    assert pool(made) == {made.name("app-misc/foo/foo-1-1.gpkg.tar")}


def test_a_pipe_in_the_place_of_a_package_is_replaced_and_not_waited_for(made: Site) -> None:
    path = made.pkgdir.add("app-misc/foo-1")
    made.publish()
    place = made.tree.root / "pool" / made.name(path)
    place.unlink()
    os.mkfifo(place)

    with no_waiting():
        made.publish()
    assert place.samefile(made.pkgdir.path / path)


def test_a_pipe_in_the_place_of_a_source_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "foo-1-1.gpkg.tar")
    with no_waiting(), pytest.raises(FileNotFoundError):
        copy(str(tmp_path / "foo-1-1.gpkg.tar"), str(tmp_path / "target"), Placed())
    assert not (tmp_path / "target").exists()


@contextlib.contextmanager
def no_waiting() -> Iterator[None]:
    """End the block if it waits for a writer of a pipe, who never comes."""

    def hung(*_: object) -> None:
        raise AssertionError("it waits for a writer")

    before = signal.signal(signal.SIGALRM, hung)
    signal.alarm(20)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def formerly(made: Site, number: int) -> None:
    """Bring a release into the form that releases had before there was a pool: its packages are links of its own."""
    directory = made.tree.directory(number)
    text = (directory / "Packages").read_text()
    for path in made.pkgdir.packages:
        name = made.name(path)
        (directory / path.partition("/")[0]).unlink(missing_ok=True)
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        os.link(made.pkgdir.path / path, directory / path)
        text = text.replace(f"PATH: {name}\n", f"PATH: {path}\n")
    (directory / "Packages").write_text(text)
    sealed_again(directory)


def test_a_release_of_the_former_form_stays_as_it_is_and_the_next_one_takes_its_packages(made: Site) -> None:
    paths = [made.pkgdir.add("app-misc/foo-1"), made.pkgdir.add("dev-libs/bar-1")]
    made.publish()
    formerly(made, 1)
    shutil.rmtree(made.tree.root / "pool")
    before = snapshot(made.tree.directory(1))
    assert made.publish().release is None
    made.pkgdir.add("app-misc/foo-2")
    done = made.publish()
    assert (len(done.difference.added), len(done.difference.removed), len(done.difference.rebuilt)) == (1, 0, 0)
    for path in paths:
        assert (made.served() / made.name(path)).samefile(made.pkgdir.path / path)
        # For clients that still have the former index.
        assert (made.served() / path).samefile(made.pkgdir.path / path)
    assert snapshot(made.tree.directory(1)) == before
    made.publisher.rollback("production")
    assert sorted(made.tree.contents(3).entries) == sorted(made.name(path) for path in paths)
    assert not made.publisher.renew("production", force="asked").difference
    assert made.tree.contents(3).body == made.tree.contents(4).body
