"""A walk finds what is there, with the C module and without it."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from threading import Event

import pytest

from portage_ext import limits
from portage_ext.pkgdir import walk
from portage_ext.pkgdir.walk import Walker
from tests.testkit.compiled import compiled


@pytest.fixture(params=["python", "compiled"])
def top(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PKGDIR that is walked in one of both ways, with everything that a walk must tell apart."""
    module = compiled("portage_ext.pkgdir._tree") if request.param == "compiled" else None
    monkeypatch.setattr(walk, "_compiled", lambda: module)
    return filled(tmp_path / "binpkgs")


def filled(top: Path) -> Path:
    for path in (
        "a/p/p-1-1.gpkg.tar",
        "a/p/p-1-2.gpkg.tar",
        "a/q-1.xpak",
        "All/q-2.tbz2",
        "a/strange.gpkg.tar/r-1.xpak",
        "s.xpak",
    ):
        file = top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(path.encode() * 3)
    (top / "Packages").write_text("no package")
    (top / "a/empty").mkdir()
    (top / "a/p/link.gpkg.tar").symlink_to("p-1-1.gpkg.tar")
    (top / "a/elsewhere").symlink_to(top / "All")
    os.mkfifo(top / "a/pipe.xpak")
    with open(os.fsencode(top) + b"/a/p/\xff-1.xpak", "wb") as other:
        other.write(b"a name that is not UTF-8")
    os.utime(top / "s.xpak", ns=(-5, -5))
    return top


def settle(top: Path) -> None:
    for directory, _, _ in os.walk(top):
        os.utime(directory, (1_700_000_000, 1_700_000_000))


def expected(top: Path) -> list[tuple[str, int, int, int]]:
    """What os.walk finds, in its order."""
    found = []
    for directory, _, names in os.walk(top):
        for name in names:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            if name.endswith((".gpkg.tar", ".xpak", ".tbz2")) and os.path.isfile(path) and not os.path.islink(path):
                found.append((os.path.relpath(path, top), status.st_size, status.st_mtime_ns, status.st_ino))
    return found


@pytest.mark.parametrize("once", [True, False])
def test_a_walk_finds_packages_in_the_order_of_os_walk(top: Path, *, once: bool) -> None:
    scan = Walker(top, once=once).scan()
    assert (scan.files, scan.unreadable) == (expected(top), [])
    assert len(scan.files) == 7


def test_every_kind_of_change_is_seen_by_the_next_walk(top: Path) -> None:
    settle(top)
    walker = Walker(top)
    walker.scan()
    (top / "a/p/p-1-1.gpkg.tar").write_bytes(b"longer than it was before, in place" * 3)
    (top / "All/q-2.tbz2").unlink()
    (top / "new/n").mkdir(parents=True)
    (top / "new/n/n-1-1.gpkg.tar").write_bytes(b"n")
    assert walker.scan().files == expected(top)


@pytest.mark.parametrize("moved", [True, False])
def test_a_second_look_finds_what_came_went_and_was_replaced(top: Path, *, moved: bool) -> None:
    """``moved``: it looks only into directories that changed; else a scan was made ahead."""
    settle(top)
    walker = Walker(top)
    if moved:
        walker.scan()
    else:
        walker.look_ahead()
    for change in ("replaced", "gone", "came", "directory", "directory gone"):
        if change == "replaced":
            (top / "a/p/new").write_bytes(b"other content")
            (top / "a/p/new").rename(top / "a/p/p-1-1.gpkg.tar")
        elif change == "gone":
            (top / "a/p/p-1-2.gpkg.tar").unlink()
        elif change == "came":
            (top / "a/t-1.xpak").write_bytes(b"t")
        elif change == "directory":
            (top / "b/u").mkdir(parents=True)
            (top / "b/u/u-1-1.gpkg.tar").write_bytes(b"u")
        else:
            (top / "All/q-2.tbz2").unlink()
            (top / "All").rmdir()
        assert walker.scan(moved=moved).files == expected(top), change


def test_what_changed_a_moment_ago_is_looked_at_again(top: Path) -> None:
    """Within the grain of the file system's clock, a directory can change without a change of its time."""
    walker = Walker(top)
    walker.scan()
    times = {directory: os.stat(directory) for directory, _, _ in os.walk(top)}
    (top / "a/p/p-1-1.gpkg.tar").write_bytes(b"in place, and the directory does not tell")
    for directory, status in times.items():
        os.utime(directory, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert walker.scan(moved=True).files == expected(top)


def test_a_scan_made_ahead_does_not_count_for_long(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(top)
    walker = Walker(top)
    walker.look_ahead()
    (top / "a/p/p-1-1.gpkg.tar").write_bytes(b"in place, while another program held the lock")
    later = time.monotonic() + 60
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert walker.scan().files == expected(top)


@pytest.mark.parametrize("what", ["s.xpak", "a/p", "."])
def test_times_that_64_bits_do_not_hold_are_read_alike(top: Path, what: str) -> None:
    """File systems hold times far beyond the year 2262."""
    settle(top)
    os.utime(top / what, ns=(0, 9_223_372_037 * 10**9))
    if os.stat(top / what).st_mtime_ns < 1 << 63:
        pytest.skip("this file system does not")
    walker = Walker(top)
    assert walker.scan().files == expected(top)
    assert walker.scan(moved=True).files == expected(top)


def test_a_scan_waits_for_the_one_that_was_begun(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    scans = Event()
    monkeypatch.setattr(Walker, "beside", True)
    monkeypatch.setattr(Walker, "look_ahead", lambda walker: done.append("looked ahead") if not scans.wait(0.05) else None)
    monkeypatch.setattr(time, "monotonic", lambda: (scans.set(), done.append("scans"), 0.0)[-1])
    walker = Walker(top)
    with walker.looking_ahead():
        assert walker.scan().files == expected(top)
    assert done == ["looked ahead", "scans"]


def test_a_scan_begun_before_finds_what_changed_since(top: Path) -> None:
    settle(top)
    walker = Walker(top)
    with walker.looking_ahead():
        walker._begun()
        (top / "a/t-1.xpak").write_bytes(b"t")
        assert walker.scan().files == expected(top)


def test_a_look_ahead_that_is_not_wanted_is_not_made(top: Path) -> None:
    walker = Walker(top)
    with walker.looking_ahead(False):
        assert not walker._listings
        assert walker.scan().files == expected(top)


@pytest.mark.parametrize("change", ["came", "gone", "replaced", "directory", "directory gone"])
def test_a_scan_of_named_directories_finds_what_changed_there(top: Path, change: str) -> None:
    walker = Walker(top)
    walker.scan()
    only = {"", "a", "a/p"}
    if change == "came":
        (top / "a/p/p-1-7.gpkg.tar").write_bytes(b"new")
    elif change == "gone":
        (top / "a/p/p-1-2.gpkg.tar").unlink()
    elif change == "replaced":
        (top / "a/p/p-1-1.gpkg.tar").write_bytes(b"in place")
    elif change == "directory":
        (top / "a/u").mkdir()
        (top / "a/u/u-1-1.gpkg.tar").write_bytes(b"u")
        only |= {"a/u"}
    else:
        shutil.rmtree(top / "a/p")
    assert walker.scan(only).files == expected(top)


def test_a_scan_of_named_directories_still_tells_what_cannot_be_looked_at(top: Path) -> None:
    (top / Path(*["d"] * (limits.DIRECTORY_DEPTH + 2))).mkdir(parents=True)
    walker = Walker(top)
    walker.scan()
    assert [error.reason for error in walker.scan({"a"}).unreadable] == ["nested too deeply"]


def test_directories_that_are_nested_too_deeply_are_told(top: Path) -> None:
    (top / Path(*["d"] * (limits.DIRECTORY_DEPTH + 2))).mkdir(parents=True)
    walker = Walker(top)
    for moved in (False, True, True):
        scan = walker.scan(moved=moved)
        assert [error.reason for error in scan.unreadable] == ["nested too deeply"]
        assert len(scan.files) == 7


def test_a_pkgdir_that_is_not_there_is_an_error(top: Path) -> None:
    walker = Walker(top / "missing")
    walker.look_ahead()
    with pytest.raises(walk.PkgdirError, match="no such directory"):
        walker.scan()


def test_the_c_module_leaves_what_is_unusual_to_python(tmp_path: Path) -> None:
    module = compiled("portage_ext.pkgdir._tree")
    filled(tmp_path / "binpkgs")
    assert module.listed(str(tmp_path / "binpkgs"), (".xpak",), 1) is None, "nested too deeply"
    assert module.listed(str(tmp_path / "missing"), (".xpak",), 64) is None
    assert module.listed(str(tmp_path / "binpkgs/s.xpak"), (".xpak",), 64) is None
    assert module.stamps(str(tmp_path), ["binpkgs", "missing", "binpkgs/s.xpak"])[1:] == [None, None]
    with pytest.raises(TypeError):
        module.stamps(str(tmp_path), [3])
    with pytest.raises(ValueError, match="too many"):
        module.listed(str(tmp_path), (".xpak",) * 9, 64)


def test_a_directory_that_cannot_be_opened_is_left_to_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may open it."""
    module = compiled("portage_ext.pkgdir._tree")
    monkeypatch.setattr(walk, "_compiled", lambda: module)
    top = filled(tmp_path / "binpkgs")
    (top / "a/p").chmod(0)
    try:
        scan = Walker(top).scan()
    finally:
        (top / "a/p").chmod(0o755)
    assert [error.path for error in scan.unreadable] == ([] if os.geteuid() == 0 else ["a/p"])
    assert len(scan.files) == (7 if os.geteuid() == 0 else 4)


def test_a_module_that_is_missing_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "portage_ext.pkgdir._tree", None)
    top = filled(tmp_path / "binpkgs")
    assert not Walker(top).beside
    assert Walker(top).scan().files == expected(top)
