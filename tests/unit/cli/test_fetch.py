"""The fetcher by itself: progress for scripts, resume, and clear words when there is nothing to go by."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portage_ext.cli import main as entry
from portage_ext.trust.memory import StateDirectory
from tests.testkit import binpkgs, httpd, schema
from tests.testkit.httpd import Server

CPV = "app-misc/foo-1"
PATH = "app-misc/foo/foo-1-1.gpkg.tar"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A binhost without Release."""
    data = binpkgs.gpkg(binpkgs.metadata(CPV, BUILD_ID="1"), image=bytes(100_000))
    served = tmp_path / "served"
    binpkgs.put(served, PATH, data)
    values = {"CPV": CPV, "PATH": PATH, "BUILD_ID": "1", "SIZE": str(len(data)), "BUILD_TIME": "1700000000", "EAPI": "8"}
    values |= {"REPO": "tiny", "KEYWORDS": "amd64", "CHOST": "x86_64-pc-linux-gnu"}
    values |= {"BLAKE2B": hashlib.blake2b(data).hexdigest(), "SHA512": hashlib.sha512(data).hexdigest()}
    text = f"TIMESTAMP: {int(time.time())}\n\n" + "".join(f"{key}: {value}\n" for key, value in values.items()) + "\n"
    (served / "Packages").write_text(text)
    settings = tmp_path / "etc/portage/portage-ext.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('[fetch]\nretries = 0\n[binrepo.lab]\nrelease = "optional"\n')
    with httpd.serve(served) as running:
        yield running


def fetch(tmp_path: Path, uri: str, output: Path, *more: str) -> int:
    where = ("--root", str(tmp_path), "--config-root", str(tmp_path))
    return entry.main(["fetch", "--repo", "lab", *where, "--uri", uri, "--output", str(output), *more])


def test_index_then_package_with_events_for_scripts(tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    index, package = tmp_path / "index", tmp_path / "foo.partial"
    assert fetch(tmp_path, f"{server.url}/Packages.gz", index) == 0
    assert f"CPV: {CPV}\n".encode() in gzip.decompress(index.read_bytes())
    assert fetch(tmp_path, f"{server.url}/Packages", index, "--quiet") == 0
    assert f"CPV: {CPV}\n".encode() in index.read_bytes()
    capsys.readouterr()
    assert fetch(tmp_path, f"{server.url}/{PATH}", package, "--json") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for event in events:
        schema.hold("fetch", event)
    assert events[-1]["event"] == "done"
    assert events[-1]["bytes"] == events[-1]["total"] == package.stat().st_size
    assert package.read_bytes() == (tmp_path / "served" / PATH).read_bytes()


def test_the_timestamp_handed_out_moves_only_with_the_content(tmp_path: Path, server: Server) -> None:
    index = tmp_path / "index"

    def stamp() -> int:
        assert fetch(tmp_path, f"{server.url}/Packages", index, "--quiet") == 0
        return int(index.read_text().partition("TIMESTAMP: ")[2].partition("\n")[0])

    first = stamp()
    assert stamp() == first
    published = tmp_path / "served/Packages"
    published.write_text(published.read_text().replace(f"TIMESTAMP: {first}", f"TIMESTAMP: {first - 500}"))
    assert stamp() == first + 1


def test_a_partial_package_is_continued(tmp_path: Path, server: Server) -> None:
    package = tmp_path / "foo.partial"
    fetch(tmp_path, f"{server.url}/Packages", tmp_path / "index")
    package.write_bytes((tmp_path / "served" / PATH).read_bytes()[:512])
    assert fetch(tmp_path, f"{server.url}/{PATH}", package, "--resume") == 0
    assert package.read_bytes() == (tmp_path / "served" / PATH).read_bytes()


def test_a_package_before_any_index(tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert fetch(tmp_path, f"{server.url}/{PATH}", tmp_path / "x") == 1
    assert "[unknown-package]" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_package_that_the_index_does_not_list(tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    fetch(tmp_path, f"{server.url}/Packages", tmp_path / "index")
    assert fetch(tmp_path, f"{server.url}/app-misc/foo/foo-2-1.gpkg.tar", tmp_path / "x") == 1
    assert "does not list foo-2-1.gpkg.tar" in capsys.readouterr().err


def test_damaged_memory_is_said_and_stops(tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    state = StateDirectory(tmp_path, "lab")
    state.make_directory()
    state.memory_file.write_text("{")
    # As Portage makes it before it calls.
    (tmp_path / "index").touch()
    assert fetch(tmp_path, f"{server.url}/Packages", tmp_path / "index") == 1
    assert not (tmp_path / "index").exists()
    assert "[damaged-state]" in capsys.readouterr().err


@pytest.mark.parametrize("status", [0, 1], ids=["fetched", "refused"])
def test_an_output_that_is_no_file_stays(tmp_path: Path, server: Server, status: int) -> None:
    """The installer fetches the index into /dev/null, as root: it is empty, and not ours to remove."""
    pipe, null = tmp_path / "pipe", tmp_path / "null"
    os.mkfifo(pipe)
    null.symlink_to("/dev/null")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if status:
            (tmp_path / "served/Packages").write_text("TIMESTAMP: yesterday\n")
        for output in (pipe, null):
            assert fetch(tmp_path, f"{server.url}/Packages", output, "--quiet") == status
        assert fetch(tmp_path, f"{server.url}/{PATH}", null) == 1
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert null.is_symlink()


def test_words_that_are_cut_off_are_told_as_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fetch", "--repo", "lab", "--root", "/", "--config-root", "/", "--uri", "http://h/a", "--output", "/o"]
    for count in range(1, len(words)):
        with pytest.raises(SystemExit) as ended:
            entry.main(words[:count])
        assert ended.value.code == 2
        assert "usage: portage-ext fetch" in capsys.readouterr().err
