"""Attacks on patience and memory, and mirrors that fail: endless, bombs, drips, errors. Each through real emerge."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest
import zstandard

from tests.system.attacks.lab import PATIENT, REPO, Lab, hasty
from tests.testkit import hostile, httpd
from tests.testkit.hostile import Hostile

FLAGS = "/app-misc/flags/flags-2.0-1.gpkg.tar"


@pytest.fixture
def open_lab(lab: Lab) -> Lab:
    lab.settings("optional")
    lab.withdraw_release()
    return lab


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/Release", "/Release.asc", "/Packages.zst"])
def test_an_endless_answer(lab: Lab, server: Hostile, path: str) -> None:
    server.answers[path] = hostile.endless()
    lab.refused("OversizedFileError")


@pytest.mark.slow
def test_an_endless_index_without_a_release(open_lab: Lab, server: Hostile) -> None:
    server.answers["/Packages.gz"] = hostile.endless()
    server.answers["/Packages"] = hostile.endless(b"TIMESTAMP: 1\n\n")
    open_lab.refused("OversizedFileError")


@pytest.mark.slow
def test_an_endless_package(lab: Lab, server: Hostile) -> None:
    server.answers[FLAGS] = hostile.endless()
    lab.refused("OversizedFileError")


def test_a_line_of_a_gigabyte(open_lab: Lab, server: Hostile) -> None:
    server.answers["/Packages.gz"] = hostile.status(404)
    server.answers["/Packages"] = hostile.announcing(1 << 30, b"TIMESTAMP: 1\n\nCPV: " + b"a" * 100_000)
    open_lab.refused("OversizedFileError")
    (open_lab.directory / "Packages").write_bytes(b"TIMESTAMP: 1\n\nCPV: " + b"a" * (20 << 20))
    del server.answers["/Packages"]
    open_lab.refused("DamagedIndexError")


def test_a_gzip_bomb(open_lab: Lab, server: Hostile) -> None:
    bomb = gzip.compress(bytes(64 << 20), 9) * 16
    (open_lab.directory / "Packages.gz").write_bytes(bomb)
    open_lab.refused("DamagedIndexError")


@pytest.mark.slow
def test_a_zstd_bomb(lab: Lab) -> None:
    bomb = zstandard.ZstdCompressor(level=3).compress(bytes(1 << 30))
    (lab.directory / "Packages.zst").write_bytes(bomb)
    files = lab.files()
    lab.publish(files=tuple(one for one in files if one.name != "Packages.gz"))
    (lab.directory / "Packages").unlink()
    lab.refused("DamagedIndexError")


@pytest.mark.parametrize("path", ["/Release", "/Packages.zst", FLAGS], ids=["release", "index", "package"])
def test_a_drip_of_one_byte_a_second(lab: Lab, server: Hostile, path: str) -> None:
    # It would last half an hour and is shorter than the index; TIMEOUT of tests/testkit/roots.py counts as hung.
    lab.settings(patience=hasty(1))
    server.answers[path] = hostile.drip(bytes(2000))
    lab.refused("SlowMirrorError")


@pytest.mark.slow
def test_a_silent_mirror(lab: Lab, server: Hostile) -> None:
    lab.settings(patience=hasty(1))
    server.answers["/Release"] = hostile.silent(30)
    lab.refused("SlowMirrorError")


@pytest.mark.parametrize(
    "failure",
    ["404", "500", "garbage", "broken-off", "drip", "endless", "silent"],
)
def test_one_failing_file_costs_a_retry_elsewhere(lab: Lab, server: Hostile, work: Path, failure: str) -> None:
    package = (lab.directory / FLAGS.lstrip("/")).read_bytes()
    server.answers[FLAGS] = {
        "404": hostile.status(404),
        "500": hostile.status(500),
        "garbage": hostile.garbage(len(package)),
        "broken-off": hostile.broken_off(package),
        "drip": hostile.drip(package),
        "endless": hostile.endless(),
        "silent": hostile.silent(30),
    }[failure]
    with httpd.serve(lab.directory) as mirror:
        slow = failure in ("drip", "silent")
        lab.settings(more=f'mirrors = ["{mirror.url}"]\n', patience=hasty(3) if slow else PATIENT)
        lab.accepted("app-misc/flags", "app-misc/hello")
        assert mirror.packages() == [FLAGS.lstrip("/")]


def test_one_failing_package_is_one_clear_error_and_the_others_come(lab: Lab, server: Hostile) -> None:
    server.answers[FLAGS] = hostile.status(500)
    outcome = lab.emerge("--keep-going", "app-misc/flags", "app-misc/hello").failed()
    assert "[mirror]" in outcome.text
    assert "Traceback" not in outcome.text
    assert lab.client.installed() == {"app-misc/hello-1.1"}


def test_a_mirror_that_cannot_be_reached_leaves_the_index_seen_last(lab: Lab, server: Hostile) -> None:
    lab.remembers()
    for path in ("/Release", "/Release.asc"):
        server.answers[path] = hostile.status(503)
    outcome = lab.accepted("app-misc/hello")
    assert f"{REPO}: no mirror can be reached; the index of Release 1 is used again" in outcome.text


def test_a_stale_mirror_is_passed_over(lab: Lab, server: Hostile, work: Path) -> None:
    stale = work / "stale"
    shutil.copytree(lab.directory, stale)
    lab.publish()
    lab.accepted()
    with httpd.serve(stale) as old:
        conf = lab.client.path / "etc/portage/binrepos.conf/lab.conf"
        conf.write_text(conf.read_text().replace(server.url, old.url))
        lab.settings(more=f'mirrors = ["{server.url}"]\n')
        outcome = lab.accepted("app-misc/hello")
    assert "[rollback]" in outcome.text
