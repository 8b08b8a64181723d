"""On a real btrfs, emerge makes a snapshot before it changes the system; it is named, compared, restored as the guide says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testkit import environments
from tests.testkit.binhost import Binhost
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

SIZE = 256 << 20
SNAPSHOTS = ".portage-ext-snapshots"


def _why_not() -> str:
    """Why this machine cannot mount a btrfs from a file; empty if it can."""
    if os.geteuid() != 0:
        return "only root may mount"
    if shutil.which("mkfs.btrfs") is None:
        return "btrfs-progs is not installed"
    if not Path("/dev/loop-control").exists():
        return "this machine has no loop devices"
    return "" if "btrfs" in Path("/proc/filesystems").read_text() else "this kernel has no btrfs"


@pytest.fixture
def disk(work: Path) -> Iterator[Path]:
    """A mounted btrfs with the subvolume ``@``."""
    if why := _why_not():
        pytest.skip(why)
    image, mounted = work / "image", work / "disk"
    with image.open("wb") as file:
        file.truncate(SIZE)
    mounted.mkdir()
    _run("mkfs.btrfs", "--quiet", str(image))
    _run("mount", "-o", "loop", str(image), str(mounted))
    try:
        _run("btrfs", "subvolume", "create", str(mounted / "@"))
        yield mounted
    finally:
        _run("umount", str(mounted))


@pytest.fixture
def root(disk: Path, binhost: Binhost) -> Root:
    made = Root.create(disk / "@", environments.environment(), [binhost.repository], layout="root")
    configure(made, 'policy = "warn"\nkeep = 2')
    return made


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def configure(root: Root, text: str) -> None:
    root.etc("portage-ext.toml", f"[snapshot]\n{text}\n")


def listed(root: Root) -> list[dict[str, object]]:
    run = root.run("portage-ext", "snapshot", "list", "--json").ok()
    found: list[dict[str, object]] = json.loads(run.stdout)["snapshots"]
    return found


def said(run: Outcome) -> list[str]:
    return [line for line in run.stderr.splitlines() if line.startswith("portage-ext: ")]


def test_made_named_compared_and_restored(disk: Path, root: Root) -> None:
    root.emerge("-1", "=app-misc/flags-1.0").ok()
    run = root.emerge("-1", "app-misc/flags", "app-misc/slotted:1").ok()
    first, second = listed(root)
    assert second["why"] == "before emerge: app-misc/flags-2.0 app-misc/slotted-1.5"
    assert said(run) == [f"portage-ext: snapshot 2 made by btrfs: {second['made']}"]
    diff = root.run("portage-ext", "snapshot", "diff").failed()
    changes = ["+ app-misc/flags-2.0", "+ app-misc/slotted-1.5", "- app-misc/flags-1.0"]
    assert diff.stdout.splitlines()[1:] == changes
    snapshot = Path(str(second["made"]))
    assert "flags-1.0" in str(list((snapshot / "var/db/pkg/app-misc").iterdir()))
    with pytest.raises(OSError, match="Read-only"):
        (snapshot / "new").touch()

    # The guide: the broken subvolume is moved away, and a writable copy of the snapshot takes its place.
    (disk / "@").rename(disk / "@broken")
    _run("btrfs", "subvolume", "snapshot", str(disk / "@broken" / SNAPSHOTS / snapshot.name), str(disk / "@"))
    assert root.installed() == {"app-misc/flags-1.0"}
    root.emerge("-1", "app-misc/flags").ok()
    assert "app-misc/flags-2.0" in root.installed()
    assert first["number"] == 1


def test_once_for_each_emerge_that_changes_something_and_old_ones_go(root: Root) -> None:
    for words in (("-p",), ("-f",), ("--buildpkgonly",), ("--onlydeps",)):
        assert said(root.emerge(*words, "kde-apps/beta").ok()) == [], words
    assert listed(root) == []
    configure(root, 'policy = "warn"\nkeep = 1')
    for name in ("kde-apps/alpha", "app-misc/slotted:1"):
        assert len(said(root.emerge("-1", name).ok())) == 1
    assert said(root.emerge("-1", "--noreplace", "kde-apps/alpha").ok()) == []
    assert [one["number"] for one in listed(root)] == [2]
    assert len(list((root.path / SNAPSHOTS).iterdir())) == 1


def test_without_a_way_to_make_one_warn_goes_on_and_refuse_does_not(work: Path, binhost: Binhost) -> None:
    """On the file system of the machine, asked for a maker that it does not have."""
    root = Root.create(work / "r", environments.environment(), [binhost.repository], layout="root")
    configure(root, 'policy = "refuse"\nwith = "zfs"')
    run = root.emerge("-1", "app-misc/flags").failed()
    assert "no snapshot could be made, so emerge merges nothing" in run.stderr, run
    assert root.installed() == set()
    configure(root, 'policy = "warn"\nwith = "zfs"')
    run = root.emerge("-1", "app-misc/flags").ok()
    assert "no snapshot could be made; emerge goes on without one" in run.stderr, run
    assert root.installed() == {"app-misc/flags-2.0"}
    # Where nothing is asked for, nothing is said.
    configure(root, 'policy = "off"')
    assert said(root.emerge("-1", "kde-apps/alpha").ok()) == []
