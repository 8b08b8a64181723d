"""The list of packages: one a line, and a line that is none is named with its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.errors import SettingsError
from portage_ext.repositories.pick import wanted
from portage_ext.repositories.pick.wanted import Wanted


def test_lines_comments_and_files_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("# larry's\n\napp-misc/keyd::guru # daemon\n")
    (tmp_path / "two").write_text("dev-libs/c++lib::gentoo-zh")
    for name in (".hidden", "backup~"):
        (tmp_path / name).write_text("no package")
    assert wanted.read(tmp_path) == {Wanted("app-misc/keyd", "guru"), Wanted("dev-libs/c++lib", "gentoo-zh")}
    assert wanted.read(tmp_path / "one") == {Wanted("app-misc/keyd", "guru")}
    assert wanted.read(tmp_path / "none") == frozenset()


@pytest.mark.parametrize(
    "line",
    ["app-misc/keyd", "keyd::guru", "app-misc/..::guru", "../x::guru", "a/b::c d", "app-misc/keyd-1.0::guru", "a/b::../c",
     "a/b/c::d", "a/b::", "=a/b::c", "-a/b::c", "a/b:0::c", "a/\u0430::c"],
)  # fmt: skip
def test_a_line_that_is_no_package_is_named(line: str) -> None:
    with pytest.raises(SettingsError, match=r"^packages:2: "):
        list(wanted.parse(f"# comment\n{line}\n", "packages"))


@pytest.mark.parametrize("data", [b"\xff", b"a" * (4 << 20) + b"a"])
def test_what_is_no_text_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "packages").write_bytes(data)
    with pytest.raises(SettingsError, match="packages: "):
        wanted.read(tmp_path / "packages")


def test_lines_are_added_and_removed_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "etc" / "packages"
    assert wanted.add(path, [Wanted("b/b", "o"), Wanted("a/a", "o")]) == path
    path.write_text("# mine\n" + path.read_text() + "c/c::o # why")
    wanted.add(path, [Wanted("d/d", "o")])
    assert path.read_text() == "# mine\na/a::o\nb/b::o\nc/c::o # why\nd/d::o\n"
    assert wanted.remove(path, [Wanted("c/c", "o"), Wanted("a/a", "other")]) == [path]
    assert path.read_text() == "# mine\na/a::o\nb/b::o\nd/d::o\n"
    assert wanted.remove(path, [Wanted("c/c", "o")]) == []


def test_lines_of_a_directory_go_into_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("a/a::o\n")
    assert wanted.add(tmp_path, [Wanted("b/b", "o")]) == tmp_path / "portage-ext"
    assert wanted.remove(tmp_path, [Wanted("a/a", "o"), Wanted("b/b", "o")]) == [tmp_path / "mine", tmp_path / "portage-ext"]
    assert wanted.read(tmp_path) == frozenset()
