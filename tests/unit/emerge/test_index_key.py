"""What Portage is about to write as an index gets its contracts back. Whole programs: tests/system/toolchain."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from portage_ext.emerge import seam
from portage_ext.emerge.index_key import complete
from portage_ext.emerge.messages import _VARIABLE
from portage_ext.emerge.parts import PARTS
from portage_ext.model.contract import KEY

FOO, BAR = "1 < x86_64 libfoo.so.1:FOO_1", "1 < x86_64 libbar.so.1"
INDEX = f"""TIMESTAMP: 5

CPV: l/bar-1
MTIME: 7
PATH: l/bar/bar-1-1.gpkg.tar
PROVIDES: x86_64: libbar.so.1
SIZE: 100
{KEY}: {BAR}

CPV: l/foo-1
MTIME: 8
PATH: l/foo/foo-1-1.gpkg.tar
PROVIDES: x86_64: libfoo.so.1
SIZE: 200
{KEY}: {FOO}

"""


def entry(name: str, mtime: str, size: str, **more: str) -> dict[str, str]:
    path = f"l/{name}/{name}-1-1.gpkg.tar"
    provides = {"PROVIDES": f"x86_64: lib{name}.so.1"}
    return {"CPV": f"l/{name}-1", "PATH": path, "_mtime_": mtime, "SIZE": size, **provides, **more}


@pytest.fixture
def tree(work: Path) -> Any:
    """What is used of a ``binarytree``. A mock: the function is about values. A real one is in tests/system/toolchain."""
    (work / "Packages").write_text(INDEX)
    return SimpleNamespace(_pkgindex_allowed_pkg_keys=set(), _pkgindex_file=str(work / "Packages"), pkgdir=str(work))


@pytest.mark.parametrize("end", ["", "\n"])
def test_contract_of_the_same_file_comes_from_the_index_that_is_replaced(tree: Any, work: Path, end: str) -> None:
    (work / "Packages").write_text(INDEX.rstrip("\n") + end)
    entries = [entry("foo", "8", "200"), entry("bar", "7", "100")]
    complete(tree, entries)
    assert [one[KEY] for one in entries] == [FOO, BAR]
    assert KEY in tree._pkgindex_allowed_pkg_keys


@pytest.mark.parametrize(("mtime", "size"), [("9", "200"), ("8", "201")])
def test_contract_of_another_file_in_its_place_is_not_taken(
    tree: Any, capsys: pytest.CaptureFixture[str], mtime: str, size: str
) -> None:
    entries = [entry("foo", mtime, size), entry("bar", "7", "100")]
    complete(tree, entries)
    assert [one.get(KEY) for one in entries] == [None, BAR]
    assert "cannot add the symbol contract of l/foo-1 to the index" in capsys.readouterr().err  # it was asked, and is not there


def test_header_that_looks_like_an_entry_gives_no_contract(tree: Any, work: Path) -> None:
    own = "CPV: l/foo-1\nMTIME: 8\nPATH: l/foo/foo-1-1.gpkg.tar\nSIZE: 200\n"
    (work / "Packages").write_text(f"TIMESTAMP: 5\n{own}{KEY}: {BAR}\n\nCPV: l/x-1\n\n")
    entries = [entry("foo", "8", "200")]
    complete(tree, entries)
    assert KEY not in entries[0]


def test_entry_that_is_known_without_a_contract_is_not_opened_again(tree: Any, work: Path) -> None:
    (work / "Packages").write_text(INDEX.replace(f"{KEY}: {FOO}\n", ""))
    entries = [entry("foo", "8", "200")]
    complete(tree, entries)
    assert KEY not in entries[0]


def test_package_without_libraries_and_index_that_is_not_there_yet(tree: Any, work: Path) -> None:
    (work / "Packages").unlink()
    plain = entry("text", "1", "1", PROVIDES="")
    entries = [plain]
    complete(tree, entries)
    assert entries[0] is plain


def test_index_is_written_all_the_same_when_this_fails(
    tree: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(_VARIABLE, "")
    monkeypatch.delenv(_VARIABLE)
    written: list[Any] = []

    def write(tree: Any, pkgindex: Any) -> None:
        written.append(pkgindex)

    index = SimpleNamespace(packages=None)
    (part,) = [one for one in PARTS if one.name == "index_key"]
    tree.settings = {}
    seam._preceded(part)(write)(tree, index)
    assert written == [index]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"portage-ext: {part.loss}: TypeError")
