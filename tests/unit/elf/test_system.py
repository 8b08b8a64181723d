"""ld.so.conf is read as ldconfig reads it, and what cannot be read whole proves nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from portage_ext.elf.system import System

LDCONFIG = shutil.which("ldconfig", path="/sbin:/usr/sbin")
CONF = """\
  /a/\t \t
/c,d
/e:f
/g h
/i=libc6
include ld.so.conf.d/*.conf   /etc/other.conf # c
include\t/etc/ld.so.conf.d/absent.conf
hwcap 0 nosegneg
/b # comment
/a
"""
NAMES = ("a", "b", "c,d", "e:f", "g h", "i", "x", "y", "z", "d", "f", "c", "e", "g")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("etc/ld.so.conf.d", *NAMES):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc/ld.so.conf").write_text(CONF)
    (tmp_path / "etc/ld.so.conf.d/1.conf").write_text("/x\n")
    (tmp_path / "etc/ld.so.conf.d/.hidden.conf").write_text("/z\n")
    (tmp_path / "etc/other.conf").write_text("/y\ninclude /etc/ld.so.conf\n")
    return tmp_path


@pytest.mark.skipif(LDCONFIG is None, reason="glibc's ldconfig is what is compared with")
def test_the_directories_are_those_of_ldconfig(root: Path) -> None:
    done = subprocess.run([str(LDCONFIG), "-vNX", "-r", str(root)], capture_output=True, text=True, check=False)
    theirs = [found[1] for line in done.stdout.splitlines() if (found := re.match(r"(/.*): \(from /etc", line))]
    ours = [one for one in System(root).directories if one.lstrip("/") in NAMES]
    assert set(ours) == set(theirs) == {"/a", "/b", "/c,d", "/e:f", "/g h", "/i", "/x", "/y"}


def with_libc(root: Path) -> Path:
    for path in ("/lib64/libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib64/libc.so.6"):
        if Path(path).exists():
            shutil.copy(path, root / "a/libc.so.6")
            return root
    pytest.skip("no C library of 64 bits here")


@pytest.mark.parametrize("broken", ["too many", "too many patterns", "too long", "unreadable", "a pattern for directories"])
def test_nothing_is_missing_where_the_configuration_cannot_be_read_whole(
    root: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    with_libc(root)
    assert System(root).judges("x86_64")
    if broken == "too many":
        monkeypatch.setattr("portage_ext.elf.system.LOADER_CONF_FILES", 2)
    elif broken == "too many patterns":
        monkeypatch.setattr("portage_ext.elf.system.LOADER_CONF_PATTERNS", 2)
    elif broken == "too long":
        monkeypatch.setattr("portage_ext.elf.system.LOADER_CONF_SIZE", len(CONF) - 1)
    elif broken == "unreadable":
        # Root reads everything; a directory nobody does.
        (root / "etc/other.conf").unlink()
        (root / "etc/other.conf").mkdir()
    else:
        (root / "etc/other.conf").write_text("include /etc/*.d/more\n")
    assert not System(root).judges("x86_64")


def test_a_pattern_is_looked_up_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """make fuzz found a file that includes the same 87,000 times, which took over a second."""
    (root / "etc/other.conf").write_text("include none none /etc/none\n" * 9 + "/y\n")
    looked_up: list[str] = []

    def matching(self: System, pattern: str) -> list[str]:
        looked_up.append(pattern)
        return really(self, pattern)

    really = System._matching
    monkeypatch.setattr(System, "_matching", matching)
    assert "/y" in System(root).directories
    assert looked_up.count("/etc/none") == 1


def test_a_configuration_that_is_not_there_is_no_obstacle(root: Path) -> None:
    with_libc(root)
    (root / "lib").mkdir()
    shutil.move(root / "a/libc.so.6", root / "lib/libc.so.6")
    (root / "etc/ld.so.conf").unlink()
    assert System(root).judges("x86_64")
