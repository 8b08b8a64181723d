"""Directories that hold what decides have modes of their own, whatever the umask of who runs first."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from portage_ext import files
from portage_ext.releases.tree import Tree
from portage_ext.trust import manage
from portage_ext.trust.keyrings import TrustDirectory
from portage_ext.trust.memory import Memory, StateDirectory
from portage_ext.unattended import heads, log, marks
from tests.testkit import keys


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def _work(root: Path) -> None:
    with marks.working(root, 0):
        pass


def _publish(root: Path) -> None:
    with Tree(root / "srv/binhost/tree").locked():
        pass


def _portage(root: Path) -> None:
    key = keys.new_key(root.parent / "k")
    data = keys.gpg(key.home, "--export", key.fingerprint)
    manage.add(TrustDirectory(root), root / "etc/portage/gnupg", "lab", key.fingerprint, data, "the test")
    keys.kill_agents(key.home)


MAKERS: dict[str, Callable[[Path], object]] = {
    "state": lambda root: StateDirectory(root, "lab").save(Memory()),
    "pins": lambda root: TrustDirectory(root).write("lab", [], b""),
    "Portage's keyring": _portage,
    "marks": lambda root: marks.HeldMark(root, root).release(),
    "worker": _work,
    "runs": lambda root: log.append(root, log.Run(0, "index", True, "", 0, 0.0)),
    "heads": lambda root: heads.save(root / "var/lib/portage-ext/heads.json", {}),
    "tree": _publish,
}


@pytest.mark.parametrize("mask", [0, 0o077], ids=oct)
@pytest.mark.parametrize("maker", MAKERS)
def test_directories_are_readable_by_all_and_written_by_one(work: Path, maker: str, mask: int) -> None:
    root = work / "root"
    root.mkdir()
    with umask(mask):
        MAKERS[maker](root)
    made = [path for path in root.rglob("*") if path.is_dir()]
    assert made
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o755}


def test_what_is_there_keeps_its_mode_and_what_is_no_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o700)
    with umask(0):
        files.make_directory(tmp_path / "a/b/c", 0o750)
        files.make_directory(tmp_path / "a/b", 0o700)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b", "a/b/c")] == [0o700, 0o750, 0o750]
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("file", "file/x", "dangling"):
        with pytest.raises(OSError, match=name.partition("/")[0]):
            files.make_directory(tmp_path / name)


def test_readers_of_portages_keyring_are_let_at_what_verifies_and_at_nothing_else(tmp_path: Path) -> None:
    home = tmp_path / "etc/portage/gnupg"
    home.mkdir(parents=True, mode=0o700)
    others = ("secring.gpg", "random_seed", "backup.tar", "openpgp-revocs.d")
    for name in others[:3]:
        (home / name).write_bytes(b"secret")
        (home / name).chmod(0o600)
    (home / others[3]).mkdir(mode=0o700)
    with umask(0o077):
        _portage(tmp_path)
    assert not [name for name in others if (home / name).stat().st_mode & 0o077]
    assert all((home / name).stat().st_mode & 0o444 == 0o444 for name in (".", "pubring.kbx", "trustdb.gpg"))
