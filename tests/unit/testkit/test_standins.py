"""The stand-ins of the demo answer what the real programs answer."""

from __future__ import annotations

import bz2
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testkit import requirements
from tests.testkit.requirements import STANDINS, find

OBJECTS = (
    "/bin/ls",
    "/usr/bin/gpg",
    "/usr/bin/python3",
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
)


@pytest.mark.skipif(find("scanelf") is None, reason="scanelf is not installed")
def test_scanelf_says_what_the_real_one_says(tmp_path: Path) -> None:
    for number, name in enumerate(OBJECTS):
        if Path(name).exists():
            shutil.copy(name, tmp_path / f"{number}-{Path(name).name}")
    (tmp_path / "text").write_text("no object " * 20)
    words = ["-yRBF", "%a;%p;%S;%r;%n", f"{tmp_path}/"]
    ours = subprocess.run([sys.executable, STANDINS / "scanelf", *words], capture_output=True, text=True, check=True).stdout
    real = subprocess.run([find("scanelf") or "", *words], capture_output=True, text=True, check=True).stdout
    assert sorted(ours.splitlines()) == sorted(real.splitlines())
    assert len(ours.splitlines()) >= 2


def test_bzip2_packs_files_in_their_place_and_streams(tmp_path: Path) -> None:
    command = [sys.executable, str(STANDINS / "bzip2")]
    file = tmp_path / "manual"
    file.write_bytes(b"text" * 100)
    subprocess.run([*command, "-9", str(file)], check=True)
    assert not file.exists()
    assert bz2.decompress((tmp_path / "manual.bz2").read_bytes()) == b"text" * 100
    packed = subprocess.run([*command, "-c"], input=b"stream", capture_output=True, check=True).stdout
    assert subprocess.run([*command, "-dc"], input=packed, capture_output=True, check=True).stdout == b"stream"


def test_an_ordinary_user_is_told_the_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"bash", "g++", "gcc", "ld", "tar", "apt-get"}
    monkeypatch.setattr(requirements, "find", lambda name: f"/bin/{name}" if name in there else None)
    monkeypatch.setattr(requirements.os, "geteuid", lambda: 1000)
    with pytest.raises(requirements.MissingProgramsError) as caught:
        requirements.check("demo")
    assert str(caught.value) == (
        "These programs are missing: gpg, gpgconf. Run as root: apt-get install -y --no-install-recommends gnupg"
    )


def test_the_demo_goes_without_what_it_has_a_stand_in_for(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {"scanelf", "wget", "rsync", "bzip2", "zstd"}
    monkeypatch.setattr(requirements, "find", lambda name: None if name in absent else f"/bin/{name}")
    monkeypatch.setattr(requirements.os, "geteuid", lambda: 1000)
    requirements.check("demo")
