from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from portage.util import grabdict_package

from portage_ext.config.package_env import PackageEnvEntry, read_package_env


def test_entry_knows_its_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "package.env"
    file.write_text("# a comment\n\napp-misc/hello  one\ttwo # app-misc/other three\napp-misc/nothing\n")
    assert read_package_env(file) == [PackageEnvEntry(str(file), 3, "app-misc/hello", ("one", "two"))]
    assert read_package_env(file)[0].where == f"{file}:3"


def test_nothing_there_is_nothing_said(tmp_path: Path) -> None:
    assert read_package_env(tmp_path / "package.env") == []


def test_directory_is_read_as_portage_reads_it(tmp_path: Path) -> None:
    root = tmp_path / "package.env"
    for name in ("20-b", "10-a/z", "10-a/y~", ".hidden", "CVS/entries", "15-c"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"app-misc/{path.name.strip('.~')} env\n")
    entries = read_package_env(root)
    assert [entry.atom for entry in entries] == ["app-misc/z", "app-misc/15-c", "app-misc/20-b"]
    assert all(line == 1 for line in (entry.line for entry in entries))


_LINES = st.lists(
    st.sampled_from(
        ["app-misc/a one", "  app-misc/a\ttwo", "#app-misc/a x", "app-misc/b one # two", "app-misc/c", "", "\f", "kde-*/* k"]
    ),
    max_size=8,
)


@given(lines=_LINES)
def test_differential_same_entries_as_portages_own_reader(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    file = tmp_path_factory.mktemp("env") / "package.env"
    file.write_text("\n".join(lines) + "\n")
    ours: dict[str, list[str]] = {}
    for entry in read_package_env(file):
        ours.setdefault(entry.atom, []).extend(entry.env_files)
    theirs = grabdict_package(str(file), recursive=1, allow_wildcard=True, allow_repo=True, allow_build_id=True)
    assert ours == {str(atom): files for atom, files in theirs.items() if files}
