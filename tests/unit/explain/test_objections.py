"""Where new lines of configuration go, and which dependencies of a package nothing satisfies."""

from __future__ import annotations

from pathlib import Path

import pytest
from portage.dep import use_reduce

from portage_ext.explain.objections import file_of, missing, places


@pytest.mark.parametrize(
    ("text", "lacking"),
    [
        ("a/b a/c", ["a/c"]),
        ("|| ( a/c a/b )", []),
        ("|| ( a/c a/d )", ["|| ( a/c a/d )"]),
        ("|| ( ( a/b a/c ) a/d )", ["|| ( a/c a/d )"]),
        ("|| ( ( a/b ) a/d )", []),
        ("( a/b ( a/c ) )", ["a/c"]),
        ("|| ( || ( a/c a/d ) a/e ) a/f", ["|| ( a/c a/d a/e )", "a/f"]),
        ("", []),
    ],
)
def test_the_dependencies_that_nothing_satisfies(text: str, lacking: list[str]) -> None:
    assert list(missing(use_reduce(text, opconvert=True), {"a/b"}.__contains__)) == lacking


def test_new_lines_go_into_a_file_of_ours_where_there_is_a_directory(tmp_path: Path) -> None:
    assert file_of(str(tmp_path), "package.use") == f"{tmp_path}/package.use"
    (tmp_path / "package.use").mkdir()
    assert file_of(str(tmp_path), "package.use").startswith(f"{tmp_path}/package.use/")


def test_an_env_file_that_does_nothing_but_switch_getbinpkg_on_is_used_again(tmp_path: Path) -> None:
    etc = tmp_path / "etc/portage"
    (etc / "env").mkdir(parents=True)
    settings = {"PORTAGE_CONFIGROOT": str(tmp_path)}
    assert not places(settings).env_exists
    (etc / "env/both").write_text('FEATURES="getbinpkg"\nCFLAGS="-O3"\n')
    assert not places(settings).env_exists
    (etc / "env/on").write_text('# binaries\n\nFEATURES="${FEATURES} getbinpkg"')
    found = places(settings)
    assert (found.env_file, found.env_exists) == (str(etc / "env/on"), True)
    assert str(etc / "env/on") in found.unfinished


def test_files_without_a_last_newline_and_directories_that_are_not_there_are_known(tmp_path: Path) -> None:
    etc = tmp_path / "etc/portage"
    etc.mkdir(parents=True)
    (etc / "make.conf").write_text('USE="a"')
    (etc / "package.env").write_text("a/b on\n")
    found = places({"PORTAGE_CONFIGROOT": str(tmp_path)})
    assert found.unfinished == {str(etc / "make.conf")}
    assert found.missing == {str(etc / "env"), str(etc / "profile")}
