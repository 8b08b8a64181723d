"""A release whose index and files disagree is objected to, by file; what the live release has too is not read again."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.model import IndexEntry, digest
from portage_ext.releases.contents import parse
from portage_ext.releases.gates import Candidate, run_gates
from portage_ext.releases.gates.closure import ClosureGate
from portage_ext.releases.gates.index import IndexGate, _mismatch, _mismatches
from portage_ext.releases.gates.install import InstallGate
from portage_ext.releases.gates.licences import LicenceGate
from tests.testkit.compiled import compiled
from tests.unit.releases.published import Site, site


@pytest.fixture
def made(tmp_path: Path) -> Site:
    made = site(tmp_path)
    made.pkgdir.add("app-misc/foo-1")
    made.pkgdir.add("app-misc/bar-1", RESTRICT="test bindist")
    made.publish()
    return made


def candidate(made: Site, fresh: Callable[[str], bool] = lambda path: True) -> Candidate:
    """A copy of the live release, to be spoiled."""
    directory = made.tree.root.parent / "candidate"
    if not directory.exists():
        shutil.copytree(made.served(), directory)
    forms = {name: (directory / name).read_bytes() for name in ("Packages", "Packages.gz", "Packages.zst")}
    contents = parse(forms["Packages"], "Packages")
    return Candidate(directory, "production", contents, forms, tuple(filter(fresh, contents.entries)))


def objections(of: Candidate) -> dict[str, str]:
    return {one.where: one.what for one in run_gates([IndexGate()], of)}


def test_an_honest_release_passes(made: Site) -> None:
    assert objections(candidate(made)) == {}


def test_a_missing_file_and_a_file_of_another_size_are_found(made: Site) -> None:
    of = candidate(made)
    (of.directory / made.name("app-misc/foo/foo-1-1.gpkg.tar")).unlink()
    with (of.directory / made.name("app-misc/bar/bar-1-1.gpkg.tar")).open("ab") as file:
        file.write(b"more")
    found = objections(of)
    assert "cannot be read" in found[made.name("app-misc/foo/foo-1-1.gpkg.tar")]
    assert found[made.name("app-misc/bar/bar-1-1.gpkg.tar")]


def test_a_flipped_byte_is_found_in_what_is_fresh(made: Site) -> None:
    of = candidate(made)
    path = of.directory / made.name("app-misc/foo/foo-1-1.gpkg.tar")
    data = bytearray(path.read_bytes())
    data[700] ^= 1
    path.write_bytes(data)
    assert "does not match its digests" in objections(of)[made.name("app-misc/foo/foo-1-1.gpkg.tar")]
    assert objections(candidate(made, lambda path: "bar" in path)) == {}


@pytest.mark.parametrize("wrong", [{"BLAKE2B": "0" * 128}, {"SHA512": "0" * 128}, {"BLAKE2B": "", "SHA512": ""}])
def test_every_strong_digest_of_an_entry_holds_and_one_must_be_there(tmp_path: Path, wrong: dict[str, str]) -> None:
    file = tmp_path / "foo-1-1.gpkg.tar"
    file.write_bytes(b"package")
    right = {"BLAKE2B": hashlib.blake2b(b"package").hexdigest(), "SHA512": hashlib.sha512(b"package").hexdigest()}
    assert _mismatch(file, IndexEntry(right)) is None
    assert _mismatch(file, IndexEntry({"BLAKE2B": right["BLAKE2B"]})) is None
    assert _mismatch(file, IndexEntry(right | wrong)) is not None


@pytest.mark.parametrize("built", [False, True])
def test_of_many_files_each_wrong_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: bool) -> None:
    module = compiled("portage_ext.model._lanes") if built else None
    monkeypatch.setattr(digest, "_lanes", lambda: (module, frozenset(("BLAKE2B", "SHA512") if built else ())))
    monkeypatch.setattr(limits, "TOGETHER_SIZE", 5000)
    fresh: dict[str, IndexEntry] = {}
    for number in range(100):
        data = bytes([number]) * (6000 if number % 10 == 5 else 100 * (number % 7))
        (tmp_path / f"{number}").write_bytes(data)
        both = {"BLAKE2B": hashlib.blake2b(data).hexdigest().upper(), "SHA512": hashlib.sha512(data).hexdigest()}
        fresh[f"{number}"] = IndexEntry(both if number % 3 else {"BLAKE2B": both["BLAKE2B"]})
    for name in ("15", "16"):  # a large one and a small one
        with (tmp_path / name).open("r+b") as file:
            file.write(b"?")
    (tmp_path / "17").unlink()
    (tmp_path / "18").unlink()
    os.mkfifo(tmp_path / "18")
    (tmp_path / "19").unlink()
    (tmp_path / "19").mkdir()
    fresh["20"] = IndexEntry({})
    fresh["22"] = IndexEntry({**fresh["22"].values, "SHA512": "0" * 128})
    with _mismatches(tmp_path, fresh) as reasons:
        found = {path: reason for path, reason in zip(fresh, reasons, strict=True) if reason}
    other = "does not match its digests in the index"
    assert found == {
        "15": f"{other} (BLAKE2B)",
        "16": f"{other} (BLAKE2B, SHA512)",
        "17": "cannot be read: No such file or directory",
        "18": f"{other} (BLAKE2B)",
        "19": "cannot be read: Is a directory",
        "20": "has neither BLAKE2B nor SHA512 in the index",
        "22": f"{other} (SHA512)",
    }


def test_forms_that_say_different_things_are_found(made: Site) -> None:
    other = made.tree.root.parent / "other"
    other.mkdir()
    of = candidate(made)
    forms = {**of.forms, "Packages.gz": of.forms["Packages.gz"][:-20], "Packages.zst": b"none"}
    assert set(objections(Candidate(of.directory, of.channel, of.contents, forms, of.fresh))) == {"Packages.gz", "Packages.zst"}


def test_an_entry_that_clients_would_refuse_is_found(made: Site) -> None:
    of = candidate(made)
    text = of.forms["Packages"].replace(b"CPV: app-misc/foo-1\n", b"CPV: app-misc/other-1\n")
    forms = {"Packages": text}
    assert objections(Candidate(of.directory, of.channel, parse(text, "Packages"), forms, of.fresh))


def test_bindist_and_licences_are_asked_of_fresh_packages(made: Site) -> None:
    def missing(entry: IndexEntry) -> str | None:
        return "Secret" if entry.cpv.pn == "foo" else None

    found = run_gates([LicenceGate(missing)], candidate(made))
    assert {(one.where, "bindist" in one.what) for one in found} == {("app-misc/bar-1-1", True), ("app-misc/foo-1-1", False)}
    assert not run_gates([LicenceGate(missing)], candidate(made, lambda path: False))


def test_the_closure_is_asked_of_the_whole_release(made: Site) -> None:
    asked: list[str] = []

    def unsatisfied(entries: object) -> list[tuple[IndexEntry, str, str]]:
        assert isinstance(entries, list)
        asked.extend(str(one.cpv) for one in entries)
        return [(entries[0], "RDEPEND", "a/b")]

    found = run_gates([ClosureGate(unsatisfied)], candidate(made, lambda path: False))
    assert sorted(asked) == ["app-misc/bar-1", "app-misc/foo-1"]
    assert "RDEPEND asks for a/b" in found[0].what


def test_the_install_test_gets_its_sample_and_an_index_of_it(made: Site) -> None:
    seen: list[list[str]] = []

    def install(directory: Path, index: bytes, entries: tuple[IndexEntry, ...]) -> list[tuple[str, str]]:
        offered = parse(index, "Packages")
        assert set(offered.entries) == {entry.path for entry in entries}
        assert offered.header["PACKAGES"] == "1"
        seen.append([entry.path for entry in entries])
        return [(entries[0].path, "died")]

    def masked(entry: IndexEntry) -> bool:
        return entry.path == seen[0][0]

    for _ in range(2):
        assert [one.what for one in run_gates([InstallGate(install, lambda entry: False, 1)], candidate(made))] == ["died"]
    assert seen[0] == seen[1]
    assert not run_gates([InstallGate(install, lambda entry: False, 1)], candidate(made, lambda path: False))
    # What the host masks is not in the sample; another package is.
    assert run_gates([InstallGate(install, masked, 1)], candidate(made))
    assert seen[2] != seen[0]


def test_the_size_that_counts_is_the_one_that_readers_take(made: Site) -> None:
    """Of two lines Portage takes the last; and it may be the first line of an entry."""
    of = candidate(made)
    path = made.name("app-misc/foo/foo-1-1.gpkg.tar")
    size = (of.directory / path).stat().st_size

    def spoilt(text: bytes) -> dict[str, str]:
        contents = dataclasses.replace(of.contents, entries={**of.contents.entries, path: text})
        return objections(Candidate(of.directory, of.channel, contents, of.forms, ()))

    text = of.contents.entries[path]
    assert spoilt(b"SIZE: %d\n" % size + text.replace(b"\nSIZE: %d" % size, b"")) == {}
    assert path in spoilt(text + b"\nSIZE: 5")
