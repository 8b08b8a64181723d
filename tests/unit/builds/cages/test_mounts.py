"""Mounts have the options that were asked for, keep those of their source, and are named where they fail."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from portage_ext.builds.cages import mounts
from tests.system.builds.lab import CAN, REASON

PLAY = """
import os, sys
from portage_ext.builds.cages import mounts
top = sys.argv[1]
mounts.make_private("/")
mounts.mount("tmpfs", f"{top}/one", "mode=0700", "nosuid", "noexec", source="named")
os.mkdir(f"{top}/one/below")
mounts.bind(f"{top}/one", f"{top}/two", "ro", "nodev")
mounts.bind(f"{top}/one", f"{top}/three")
mounts.mount("tmpfs", f"{top}/four")
mounts.detach(f"{top}/four")
print(open("/proc/self/mounts").read())
"""


@pytest.mark.skipif(not CAN, reason=REASON)
def test_a_mount_has_its_options_and_those_of_its_source(tmp_path: Path) -> None:
    for name in ("one", "two", "three", "four"):
        (tmp_path / name).mkdir()
    words = ["unshare", "--mount", sys.executable, "-c", PLAY, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    said = subprocess.run(words, check=True, capture_output=True, text=True, env=environment).stdout
    found: dict[str, tuple[str, set[str]]] = {}
    for line in said.splitlines():
        if match := re.match(rf"(\S+) {re.escape(str(tmp_path))}/(\S+) tmpfs (\S+) ", line):
            found[match[2]] = match[1], set(match[3].split(","))
    assert found.keys() == {"one", "two", "three"}
    assert found["one"][0] == "named"
    assert {"nosuid", "noexec", "mode=700"} <= found["one"][1]
    assert "ro" not in found["one"][1]
    assert {"ro", "nodev", "nosuid", "noexec"} <= found["two"][1]
    assert "ro" not in found["three"][1]


def test_a_mount_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="mount tmpfs: ") as refused:
        mounts.mount("tmpfs", str(tmp_path / "none"))
    assert refused.value.filename == str(tmp_path / "none")
    with pytest.raises(OSError, match="longer than 4095 bytes"):
        mounts.mount("tmpfs", str(tmp_path / "none"), "x" * 4096)
    with pytest.raises(OSError, match="umount: "):
        mounts.detach(str(tmp_path / "none"))
