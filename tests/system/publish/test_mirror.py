"""A mirror that is pushed to by real rsync, looked at as its clients do."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from portage_ext.errors.releases import MirrorPushError
from portage_ext.model.release import Release
from portage_ext.releases.mirror import Mirror
from portage_ext.releases.tree import Tree
from tests.unit.releases.published import Site, site, snapshot

pytestmark = pytest.mark.skipif(shutil.which("rsync") is None, reason="needs rsync")


@pytest.fixture
def made(tmp_path: Path) -> Site:
    made = site(tmp_path)
    made.pkgdir.add("app-misc/foo-1")
    made.publish("staging")
    made.publisher.promote("staging", "production")
    return made


def test_the_mirror_gets_whole_releases_of_its_channels_alone(made: Site, tmp_path: Path) -> None:
    mirror = Mirror("eu", str(tmp_path / "mirror"), made.tree, ["production"])
    pushed = mirror.push()
    assert (pushed.sent, pushed.switched, pushed.removed) == ((2,), ("production",), ())
    assert snapshot(tmp_path / "mirror/production") == snapshot(made.served())
    assert os.listdir(tmp_path / "mirror/releases") == ["2"]
    assert mirror.push().sent == ()


def test_files_that_the_mirror_has_are_not_sent_again_and_others_only_with_their_release(made: Site, tmp_path: Path) -> None:
    mirror = Mirror("eu", str(tmp_path / "mirror"), made.tree, ["production"])
    mirror.push()
    (kept,) = (tmp_path / "mirror/pool").rglob("foo-1-*")
    inode = kept.stat().st_ino
    made.pkgdir.add("app-misc/foo-2")
    made.publish("production")
    made.pkgdir.add("app-misc/untested-1")
    made.publish("staging")
    mirror.push()
    assert kept.stat().st_ino == inode
    assert [path.name.rpartition("-")[0] for path in sorted((tmp_path / "mirror/pool").rglob("*.tar"))] == ["foo-1", "foo-2"]


def test_a_package_built_again_within_the_same_second_is_not_taken_for_the_old_one(made: Site, tmp_path: Path) -> None:
    mirror = Mirror("eu", str(tmp_path / "mirror"), made.tree, ["production"])
    for build in (1, 2):
        made.publish_within_a_second("app-misc/quick-1", build)
        mirror.push()
        assert snapshot(tmp_path / "mirror/production") == snapshot(made.served())


def test_what_retention_removed_is_removed_there(made: Site, tmp_path: Path) -> None:
    mirror = Mirror("eu", str(tmp_path / "mirror"), made.tree)
    mirror.push()
    made.pkgdir.add("app-misc/foo-2")
    made.publish("production")
    made.tree.remove(2)
    assert mirror.push().removed == (2,)
    assert sorted(os.listdir(tmp_path / "mirror/releases")) == ["1", "3"]


def test_packages_of_removed_releases_are_removed_there_and_no_others(made: Site, tmp_path: Path) -> None:
    mirror = Mirror("eu", str(tmp_path / "mirror"), made.tree, ["production"])
    gone = made.pkgdir.add("dev-libs/gone-1")
    made.pkgdir.add("app-misc/foo-2")
    made.publish("production")
    mirror.push()
    made.pkgdir.remove(gone)
    made.publish("production")
    made.clock.now += 4000
    made.pkgdir.add("app-misc/foo-3")
    made.publish("production")
    made.tree.remove(2, 3, 4)
    mirror.push()
    assert snapshot(tmp_path / "mirror/production") == snapshot(made.served())
    assert snapshot(tmp_path / "mirror/pool") == snapshot(made.tree.root / "pool")
    assert os.listdir(tmp_path / "mirror/pool") == ["app-misc"]


def test_packages_of_a_release_that_only_the_mirror_has_stay_there(made: Site, tmp_path: Path) -> None:
    both = Mirror("eu", str(tmp_path / "mirror"), made.tree)
    both.push()
    made.pkgdir.remove("app-misc/foo/foo-1-1.gpkg.tar")
    for version in (2, 3):
        made.pkgdir.add(f"app-misc/foo-{version}")
        made.clock.now += 4000
        made.publish("staging")
    made.publisher.promote("staging", "production")
    made.tree.remove(1, 2, 3)
    old = snapshot(tmp_path / "mirror/staging")
    assert Mirror("eu", str(tmp_path / "mirror"), made.tree, ["production"]).push().removed == (2,)
    assert snapshot(tmp_path / "mirror/staging") == old


class Moving(Tree):
    """A tree that another process changes before and after its releases are listed, once."""

    def __init__(self, root: Path, before: Callable[[], object], after: Callable[[], object]) -> None:
        super().__init__(root)
        self._moves = [before, after]

    def channels(self) -> dict[str, int]:
        if len(self._moves) == 2:
            self._moves.pop(0)()
        return super().channels()

    def known(self) -> dict[int, Release]:
        found = super().known()
        while self._moves:
            self._moves.pop()()
        return found


def test_what_is_published_or_removed_during_a_push_takes_nothing_from_the_mirror(made: Site, tmp_path: Path) -> None:
    Mirror("eu", str(tmp_path / "mirror"), made.tree).push()
    old = snapshot(tmp_path / "mirror/staging")
    made.pkgdir.remove("app-misc/foo/foo-1-1.gpkg.tar")
    for version in (2, 3):
        made.pkgdir.add(f"app-misc/foo-{version}")
        made.clock.now += 4000
        made.publish("staging")
        made.publish("production")
    made.tree.remove(2, 3, 4)

    def publish() -> None:
        made.pkgdir.add("app-misc/foo-4")
        made.publish("production")

    tree = Moving(made.tree.root, publish, lambda: made.tree.remove(1))
    assert Mirror("eu", str(tmp_path / "mirror"), tree, ["production"]).push().removed == (2,)
    assert snapshot(tmp_path / "mirror/staging") == old
    assert snapshot(tmp_path / "mirror/production") == snapshot(made.served())


def test_lag_is_told(made: Site, tmp_path: Path) -> None:
    mirror = Mirror("eu", str(tmp_path / "mirror"), made.tree, ["production"])
    assert "has none" in str(mirror.lag()[0])
    mirror.push()
    made.pkgdir.add("app-misc/foo-2")
    made.clock.now += 7200
    made.publish("production")
    assert "has release 2, 2.0 h older" in str(mirror.lag()[0])
    mirror.push()
    assert "up to date" in str(mirror.lag()[0])


def test_a_push_that_is_cut_anywhere_leaves_the_old_release_and_the_next_goes_on(made: Site, tmp_path: Path) -> None:
    place = tmp_path / "mirror"
    Mirror("eu", str(place), made.tree, ["production"]).push()
    old = snapshot(place / "production")
    for version in range(2, 6):
        made.pkgdir.add(f"app-misc/foo-{version}")
    made.publish("production")
    new = snapshot(made.served())
    # rsync as it is, but the connection breaks off at the n-th run: before it, and after it has done its work.
    wrapper = tmp_path / "rsync-cut"
    wrapper.write_text(
        '#!/bin/sh\nn=$(($(cat "$COUNT") + 1)); echo $n > "$COUNT"\n'
        '[ $n -lt "$CUT" ] || { [ "$AFTER" = 1 ] && rsync "$@"; exit 12; }\nexec rsync "$@"\n'
    )
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)

    def cut_off(at: int, after: int) -> None:
        trial, counter = tmp_path / f"trial-{at}-{after}", tmp_path / f"count-{at}-{after}"
        counter.write_text("0")
        command = ["env", f"COUNT={counter}", f"CUT={at}", f"AFTER={after}", str(wrapper)]
        shutil.copytree(place, trial, symlinks=True)
        with pytest.raises(MirrorPushError):
            Mirror("eu", str(trial), made.tree, ["production"], command=command).push()
        assert snapshot(trial / "production") in (old, new)
        Mirror("eu", str(trial), made.tree, ["production"]).push()
        assert snapshot(trial / "production") == new

    # Most of the time of an rsync is waiting for its other half.
    with ThreadPoolExecutor(6) as pool:
        for trial in [pool.submit(cut_off, at, after) for at in range(1, 7) for after in (0, 1)]:
            trial.result()


def test_a_channel_that_moves_on_while_it_is_sent_is_not_switched_to_what_is_not_there(made: Site, tmp_path: Path) -> None:
    def say(line: str) -> None:
        if line == "release 2: index and Release":
            made.pkgdir.add("app-misc/foo-2")
            made.publish("production")

    mirror = Mirror("eu", str(tmp_path / "mirror"), made.tree, ["production"], say=say)
    mirror.push()
    assert made.tree.live("production") == 3
    assert os.readlink(tmp_path / "mirror/production") == "releases/2"
    assert (tmp_path / "mirror/production/Release").exists()
