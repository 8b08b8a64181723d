"""A repository is replaced whole or not at all, and what is there already is not written again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from portage_ext.errors.repositories import RepositoryError
from portage_ext.repositories import swap
from portage_ext.repositories.swap import File
from portage_ext.repositories.user import User

OLD = {"profiles/repo_name": File(b"guru\n"), "app-misc/keyd/files/run": File(b"#!/bin/sh\n", True)}
NEW = {"profiles/repo_name": File(b"guru\n"), "app-misc/other/other-1.ebuild": File(b"EAPI=8\n")}


def state(location: Path) -> dict[str, tuple[int, int]]:
    paths = [location, *location.rglob("*")]
    return {str(one): (one.stat().st_ino, one.stat().st_mtime_ns) for one in paths}


def test_content_takes_the_place_of_the_old_and_nothing_else_is_left(tmp_path: Path) -> None:
    location = tmp_path / "guru"
    assert swap.replace(location, OLD)
    assert swap.replace(location, NEW)
    assert swap.read(location) == NEW
    assert os.listdir(tmp_path) == ["guru"]


def test_the_same_content_is_not_written_again(tmp_path: Path) -> None:
    location = tmp_path / "guru"
    swap.replace(location, OLD)
    before = state(tmp_path)
    assert not swap.replace(location, OLD)
    assert state(tmp_path) == before


def test_a_file_that_stays_keeps_its_time(tmp_path: Path) -> None:
    location = tmp_path / "guru"
    swap.replace(location, OLD)
    os.utime(location / "profiles/repo_name", (1, 1))
    swap.replace(location, NEW)
    assert (location / "profiles/repo_name").stat().st_mtime == 1


def test_rights_are_those_of_a_repository_and_scripts_can_be_run(tmp_path: Path) -> None:
    location = tmp_path / "guru"
    old = os.umask(0o077)
    try:
        swap.replace(location, OLD, User(os.geteuid(), os.getegid()))
    finally:
        os.umask(old)
    modes = {one.relative_to(tmp_path).as_posix(): one.stat().st_mode & 0o777 for one in tmp_path.rglob("*")}
    assert modes["guru"] == modes["guru/app-misc/keyd/files"] == modes["guru/app-misc/keyd/files/run"] == 0o755
    assert modes["guru/profiles/repo_name"] == 0o644


def test_what_a_killed_run_left_is_put_right(tmp_path: Path) -> None:
    location = tmp_path / "guru"
    swap.replace(location, OLD)
    os.rename(location, tmp_path / ".guru.portage-ext.old")
    (tmp_path / ".guru.portage-ext.new").mkdir()
    location.mkdir()  # Portage makes it before it calls a sync module
    swap.recover(location)
    assert swap.read(location) == OLD
    assert os.listdir(tmp_path) == ["guru"]


def test_two_renames_where_directories_cannot_be_exchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = tmp_path / "guru"
    swap.replace(location, OLD)
    monkeypatch.setattr(swap, "_exchanged", lambda one, other: False)
    assert swap.replace(location, NEW)
    assert swap.read(location) == NEW
    assert os.listdir(tmp_path) == ["guru"]


def test_a_write_that_fails_leaves_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = tmp_path / "guru"
    swap.replace(location, OLD)

    def full(directory: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(swap.files, "sync_filesystem", full)
    with pytest.raises(OSError, match="No space"):
        swap.replace(location, NEW)
    assert swap.read(location) == OLD
    assert os.listdir(tmp_path) == ["guru"]


def test_a_location_that_cannot_be_renamed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = tmp_path / "guru"
    swap.replace(location, OLD)

    def busy(one: Path, other: Path) -> bool:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(swap, "_exchanged", busy)
    with pytest.raises(RepositoryError, match=r"Device or resource busy.*mount point"):
        swap.replace(location, NEW)
    assert swap.read(location) == OLD


def test_a_link_in_the_repository_is_a_difference(tmp_path: Path) -> None:
    location = tmp_path / "guru"
    swap.replace(location, OLD)
    (location / "profiles/link").symlink_to("/etc/passwd")
    assert swap.read(location) is None
    assert swap.replace(location, OLD)
    assert swap.read(location) == OLD
