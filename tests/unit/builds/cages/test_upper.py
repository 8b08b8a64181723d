"""What was written over an environment is copied as it is, and nothing that a hostile build left leads out of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from portage_ext.builds.cages.upper import Copying


def copied(source: Path, target: Path, left: int = 10_000) -> Path:
    target.mkdir()
    fds = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (source, target)]
    try:
        Copying(left).directory(*fds)
    finally:
        for fd in fds:
            os.close(fd)
    return target


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    made = tmp_path / "upper"
    (made / "usr/bin").mkdir(parents=True)
    (made / "usr/bin/tool").write_text("tool")
    (made / "usr/bin/tool").chmod(0o755)
    os.utime(made / "usr/bin/tool", (1000, 1000))
    (made / "usr/link").symlink_to("/etc/passwd")
    (made / "usr").chmod(0o751)
    return made


def test_files_links_modes_and_times_are_the_same(upper: Path, tmp_path: Path) -> None:
    found = copied(upper, tmp_path / "layer")
    tool = (found / "usr/bin/tool").stat()
    assert (stat.S_IMODE(tool.st_mode), tool.st_mtime) == (0o755, 1000)
    assert os.readlink(found / "usr/link") == "/etc/passwd"
    assert stat.S_IMODE((found / "usr").stat().st_mode) == 0o751


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_what_was_removed_stays_removed_and_no_other_device_comes(upper: Path, tmp_path: Path) -> None:
    os.mknod(upper / "usr/gone", stat.S_IFCHR, 0)
    os.setxattr(upper / "usr/bin", "trusted.overlay.opaque", b"y")
    found = copied(upper, tmp_path / "layer")
    assert (found / "usr/gone").stat().st_rdev == 0
    assert os.getxattr(found / "usr/bin", "trusted.overlay.opaque") == b"y"
    os.mknod(upper / "usr/null", stat.S_IFCHR, os.makedev(1, 3))
    with pytest.raises(OSError, match="null is a device"):
        copied(upper, tmp_path / "second")


def test_pipes_depth_and_size_are_bounded(upper: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="larger than its bound"):
        copied(upper, tmp_path / "first", left=3)
    deep = upper
    for _ in range(70):
        deep /= "d"
    deep.mkdir(parents=True)
    with pytest.raises(OSError, match="too deep"):
        copied(upper, tmp_path / "second")
    os.mkfifo(upper / "a")
    with pytest.raises(OSError, match="a device or a pipe"):
        copied(upper, tmp_path / "third")
