"""What diffoscope gets to compare, and what the report says if it fails. Stubs stand in for it: each takes milliseconds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from portage_ext.gpkg import diffoscope as module
from portage_ext.limits import builds as limits
from tests.testkit.binpkgs import gpkg, metadata


def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> str:
    """The report about two packages that differ in DESCRIPTION and in a file, as the program ``script`` makes it."""
    program = tmp_path / "bin/diffoscope"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    # Not as nobody, who may not be able to read below the directory of the test; tests/system has that.
    monkeypatch.setattr(module, "_APART", ())
    for name, text in (("a", "one"), ("b", "two")):
        values = metadata("app-misc/foo-1", DESCRIPTION=text, BUILD_TIME=f"17000000{len(name)}{text}")
        (tmp_path / f"{name}.gpkg.tar").write_bytes(gpkg(values, image=text.encode()))
    module.diffoscope(tmp_path / "a.gpkg.tar", tmp_path / "b.gpkg.tar", tmp_path / "report")
    return (tmp_path / "report").read_text()


def test_it_gets_the_metadata_and_the_image_of_each_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "cat first/metadata/DESCRIPTION second/metadata/DESCRIPTION; ls first/metadata; tar xOf second/image.tar; exit 1"
    said = report(tmp_path, monkeypatch, script)
    assert said.startswith("one\ntwo\nCATEGORY\n")
    assert said.endswith("two")
    assert "BUILD_TIME" not in said, "what does not count is no difference"


def test_it_writes_its_temporary_files_where_they_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = report(tmp_path, monkeypatch, "mktemp -d; exit 1")
    assert not Path(said.strip()).exists()
    assert Path(said.strip()).parent.name == "scratch"


def test_a_failure_is_in_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = report(tmp_path, monkeypatch, "echo half; echo 'no memory' >&2; exit 2")
    assert said == "half\n\ndiffoscope ended with status 2:\nno memory\n"


def test_what_did_not_start_is_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = report(tmp_path, monkeypatch, "echo 'unshare: cannot change root filesystem propagation' >&2; exit 1")
    assert said == "\ndiffoscope ended with status 1:\nunshare: cannot change root filesystem propagation\n"


def test_it_is_ended_after_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DIFFOSCOPE_SECONDS", 0.2)
    said = report(tmp_path, monkeypatch, "echo half; exec sleep 60")
    assert said == "half\n\ndiffoscope was ended after 0 s\n"


def test_a_large_image_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DIFFOSCOPE_IMAGE", 2)
    said = report(tmp_path, monkeypatch, "exit 1")
    assert said.startswith("diffoscope was not run: ")
    assert "an image of more than 2 bytes" in said
