"""A full disk, a read-only one, and two publishers at once: the channel is the old release or the new one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from portage_ext.errors.releases import PublishError, TreeError
from portage_ext.releases.made import Source, Terms
from portage_ext.releases.publish import Publisher
from portage_ext.releases.tree import Tree
from tests.system.crash.points import CHECKOUT, base, drive, whole
from tests.unit.releases.published import SIGNATURE, Clock, site

SIZE = 1 << 20


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("may not mount here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_costs_the_new_release_and_gives_its_room_back(small: Path, tmp_path: Path) -> None:
    made = site(tmp_path)
    tree = Tree(small / "tree")
    publisher = Publisher(tree, lambda data: SIGNATURE, Terms(86400, 60), clock=made.clock)
    source = Source(made.pkgdir.path, "published")
    made.pkgdir.add("app-misc/foo-1", image=os.urandom(100_000))
    made.pkgdir.write()
    publisher.publish("production", source)
    free = os.statvfs(small).f_bavail
    large = made.pkgdir.add("app-misc/foo-2", image=os.urandom(2 * SIZE))
    made.pkgdir.write()
    with pytest.raises(PublishError) as failed:
        publisher.publish("production", source)
    assert "No space left on device" in str(failed.value)
    assert tree.live("production") == 1
    assert [entry.rpartition("-")[0] for entry in whole(tree).entries] == ["app-misc/foo/foo-1"]
    assert os.statvfs(small).f_bavail == free
    made.pkgdir.remove(large)
    made.pkgdir.add("app-misc/foo-2", image=b"small")
    made.pkgdir.write()
    assert publisher.publish("production", source).release is not None
    assert len(whole(tree).entries) == 2


def test_a_read_only_tree_is_said_and_stays(small: Path, tmp_path: Path) -> None:
    made = site(tmp_path)
    tree = Tree(small / "tree")
    publisher = Publisher(tree, lambda data: SIGNATURE, Terms(86400, 60), clock=Clock())
    made.pkgdir.add("app-misc/foo-1")
    made.pkgdir.write()
    publisher.publish("production", Source(made.pkgdir.path, "published"))
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    made.pkgdir.add("app-misc/foo-2")
    made.pkgdir.write()
    with pytest.raises(TreeError) as refused:
        publisher.publish("production", Source(made.pkgdir.path, "published"))
    assert "Read-only file system" in str(refused.value)
    assert len(whole(tree).entries) == 1


def test_two_publishers_at_once_make_one_release(tmp_path: Path) -> None:
    _, new = base(tmp_path)
    command = [sys.executable, "-m", "tests.system.crash.driver", str(tmp_path)]
    both = [subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said == ["3", "3"]
    tree = Tree(tmp_path / "tree")
    assert whole(tree).body == new.body
    assert drive(tmp_path).stdout.strip() == "3"
