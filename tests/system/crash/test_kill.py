"""Killed, or failed by the disk, at the system calls of a publish: the old release or the new one, whole, never a mixture.

The calls are enumerated by strace, not by luck. A publish is killed here at the first and last occurrence of each kind of call,
and the other two at those that decide what is live; ``CRASH_POINTS=all`` takes every one (make test-crash).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from portage_ext.releases.contents import Contents
from portage_ext.releases.tree import Tree
from tests.system.crash.points import Point, base, copy, enumerate_points, inject, settled, whole

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


@dataclass(frozen=True, slots=True)
class Ground:
    """Where every run starts, what the channel offers before and after, and the calls in between."""

    work: Path
    old: Contents
    new: Contents
    points: Sequence[Point]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    place = tmp_path_factory.mktemp("crash")
    start = place / "start"
    start.mkdir()
    old, new = base(start)
    points = enumerate_points(copy(start, place / "run"), place / "log")
    shutil.rmtree(place / "run")
    assert {"rename", "symlink", "mkdir", "fsync", "syncfs"} <= {one.name.removesuffix("at") for one in points}
    return Ground(start, old, new, points)


def chosen(points: Sequence[Point], *, deciding: bool = False) -> list[Point]:
    if os.environ.get("CRASH_POINTS") == "all":
        return list(points)
    first = {one.name: one for one in reversed(points)}
    last = {one.name: one for one in points}
    renames = [one for one in points if one.name.startswith("rename")]
    if deciding:
        return [first["mkdir"], *renames, last["fsync"]]
    return list(dict.fromkeys([*first.values(), *renames, last["fsync"], last["unlink" if "unlink" in last else "unlinkat"]]))


def test_killed_at_a_call_that_changes_a_file(ground: Ground, tmp_path: Path) -> None:
    seen = set()
    for point in chosen(ground.points):
        # The same length of path as in the enumeration is not needed: calls are counted, not compared.
        work = copy(ground.work, tmp_path / str(point))
        killed = inject(work, point, "signal=KILL")
        assert killed.returncode in (-9, 137), (point, killed)
        offered = whole(Tree(work / "tree"))
        assert offered.body in (ground.old.body, ground.new.body), point
        seen.add(offered.body)
        settled(work, ground.new)
        shutil.rmtree(work)
    assert seen == {ground.old.body, ground.new.body}


def test_a_call_fails_with_an_input_output_error(ground: Ground, tmp_path: Path) -> None:
    for point in chosen(ground.points, deciding=True):
        work = copy(ground.work, tmp_path / str(point))
        failed = inject(work, point, "error=EIO")
        assert "Traceback" not in failed.stderr, (point, failed.stderr)
        offered = whole(Tree(work / "tree"))
        assert offered.body in (ground.old.body, ground.new.body), point
        assert failed.returncode == 1 or offered.body == ground.new.body, (point, failed)
        settled(work, ground.new)
        shutil.rmtree(work)


def test_a_rollback_that_is_killed_holds_the_channel_exactly_when_it_is_live(ground: Ground, tmp_path: Path) -> None:
    points = enumerate_points(copy(ground.work, tmp_path / "run"), tmp_path / "log", "rollback")
    seen = set()
    for point in chosen(points, deciding=True):
        work = copy(ground.work, tmp_path / str(point))
        assert inject(work, point, "signal=KILL", "rollback").returncode in (-9, 137), point
        tree = Tree(work / "tree")
        whole(tree)
        held = tree.held("production") is not None
        assert held is (tree.live("production") == 3), point
        seen.add(held)
        # A person publishes.
        settled(work, ground.new)
        assert tree.held("production") is None
        shutil.rmtree(work)
    assert seen == {True, False}
