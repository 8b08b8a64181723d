"""A mistake in package.env is one line that names file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.emerge import mistakes
from portage_ext.emerge.whitelist import Whitelist
from portage_ext.policy.getbinpkg import Run
from tests.unit.emerge.configured import System


@pytest.fixture
def system(tmp_path: Path) -> System:
    made = System(tmp_path)
    made.write("env/on", 'FEATURES="getbinpkg"\n')
    made.write("env/fast", 'CFLAGS="-O3"\n')
    return made


def whitelist(system: System, *lines: str) -> Whitelist:
    system.write("package.env", "".join(f"{line}\n" for line in lines))
    return Whitelist(system.config(), Run(on=False))


def places(system: System, *lines: str) -> list[str]:
    told = list(mistakes.in_package_env(whitelist(system, *lines)))
    return [one.partition(": ")[0].removeprefix(f"{system.etc}/") for one in told]


def test_what_is_right_is_not_told(system: System) -> None:
    assert places(system, "app-misc/a on", "*/* fast", "=app-misc/a-1* on", "app-misc/a::tiny on") == []


def test_an_env_file_that_is_not_there_that_cannot_be_read_and_that_does_not_parse(system: System) -> None:
    (system.etc / "env/folder").mkdir()
    system.write("env/broken", "FEATURES='getbinpkg\n")
    found = whitelist(system, "app-misc/a gone", "", "app-misc/b folder", "app-misc/c broken")
    told = list(mistakes.in_package_env(found))
    assert [one.partition(": ")[0] for one in told] == [f"{system.etc}/package.env:{number}" for number in (1, 3, 4)]
    for text, name, atom in zip(told, ("gone", "folder", "broken"), "abc", strict=True):
        assert f"{system.etc}/env/{name} " in text
        assert text.endswith(f"app-misc/{atom}")


def test_an_atom_that_is_none_is_told_where_it_would_have_done_something(system: System) -> None:
    assert places(system, "=app-misc/a on", "=app-misc/a fast") == ["package.env:1"]


def test_a_binhost_that_nobody_has_is_told_at_the_line_that_names_it_and_once(system: System) -> None:
    system.write("env/from", '# a comment\nexport GETBINPKG_FROM="lab nobody"\n')
    found = whitelist(system, "app-misc/a from", "app-misc/b from")
    (told,) = mistakes.in_binrepos(found, {"lab", "own"})
    assert told.startswith(f"{system.etc}/env/from:2: ")
    assert "'nobody'" in told
    assert told.endswith(f"({system.etc}/package.env:1)")
    assert list(mistakes.in_binrepos(found, {"lab", "nobody"})) == []
