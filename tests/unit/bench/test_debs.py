"""The .debs of the bench are those that dpkg-deb reads, of the sizes that were asked for."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from bench.debs import Peers, deb


@pytest.mark.parametrize("size", [3000, 61_440, 200_001])
def test_a_deb_has_its_size_and_three_members(size: int) -> None:
    data = deb(7, 2, size)
    assert abs(len(data) - size) <= 257
    assert data.startswith(b"!<arch>\n")
    position, members = 8, {}
    while position < len(data):
        head = data[position : position + 60]
        assert head.endswith(b"`\n")
        length = int(head[48:58])
        members[head[:16].strip().decode()] = data[position + 60 : position + 60 + length]
        position += 60 + length + length % 2
    assert list(members) == ["debian-binary", "control.tar.gz", "data.tar"]
    for name in list(members)[1:]:
        with tarfile.open(fileobj=io.BytesIO(members[name])) as archive:
            assert len(archive.getnames()) == 1


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is not installed")
def test_dpkg_deb_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "p.deb"
    file.write_bytes(deb(7, 2, 20_000))
    shown = subprocess.run(["dpkg-deb", "--show", file], capture_output=True, text=True, check=True).stdout
    assert shown == "p7\t2\n"
    listed = subprocess.run(["dpkg-deb", "--contents", file], capture_output=True, text=True, check=True).stdout
    assert "./usr/share/p7" in listed


@pytest.mark.skipif(not (shutil.which("apt-ftparchive") and shutil.which("reprepro")), reason="neither peer is installed")
def test_both_peers_index_all_and_then_the_changed_one(tmp_path: Path) -> None:
    peers = Peers(tmp_path / "debs", [4000, 5000, 6000])
    peers.forget()
    for command in (peers.apt(), peers.reprepro()):
        subprocess.run(command.words, capture_output=True, check=True)
    indexes = [tmp_path / "debs/Packages", tmp_path / "debs/dists/stable/main/binary-amd64/Packages"]
    assert [index.read_text().count("\nVersion: 1\n") for index in indexes] == [3, 3]
    peers.change(1)
    peers.offer(1)
    for command in (peers.apt(), peers.reprepro()):
        subprocess.run(command.words, capture_output=True, check=True)
    assert [index.read_text().count("\nVersion: 1\n") for index in indexes] == [2, 2]
    assert all("Package: p1\n" in index.read_text() for index in indexes)
