"""package.env is stacked as Portage stacks it, and what it says of getbinpkg is one rule for each package."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.emerge.whitelist import Whitelist
from portage_ext.policy.getbinpkg import PackageRule, Run
from tests.unit.emerge.configured import System, package

OFF, ON = Run(on=False), Run(on=True)


@pytest.fixture
def system(tmp_path: Path) -> System:
    made = System(tmp_path)
    made.write("env/on", 'FEATURES="getbinpkg"\n')
    made.write("env/off", 'FEATURES="-getbinpkg"\n')
    made.write("env/lab", 'GETBINPKG_FROM="lab"\n')
    made.write("env/fast", 'CFLAGS="-O3"\n')
    return made


def whitelist(system: System, *lines: str, run: Run = OFF, **environment: str) -> Whitelist:
    system.write("package.env", "".join(f"{line}\n" for line in lines))
    return Whitelist(system.config(**environment), run)


def test_the_more_specific_entry_wins_and_the_rest_follows_the_run(system: System) -> None:
    found = whitelist(system, "app-misc/a on", "=app-misc/a-2 off", "app-misc/b fast")
    assert found.is_on(package("app-misc/a-1"))
    assert not found.is_on(package("app-misc/a-2"))
    assert not found.is_on(package("app-misc/b-1"))
    assert found.listed == {"app-misc/a"}
    assert (found.wants_remote, found.changes_nothing) == (True, False)


def test_without_entries_a_run_is_portages_own(system: System) -> None:
    found = whitelist(system, "app-misc/b fast")
    assert (found.wants_remote, found.changes_nothing, found.wants("lab")) == (False, True, False)
    assert whitelist(system, "app-misc/b fast", run=ON).wants_remote


def test_in_a_run_that_is_on_entries_take_out_and_bind(system: System) -> None:
    found = whitelist(system, "app-misc/a off", "app-misc/b lab", run=ON)
    assert found.listed == {"app-misc/a", "app-misc/b"}
    assert not found.accepts(package("app-misc/a-1"), "lab")
    assert [found.accepts(package("app-misc/b-1"), name) for name in ("lab", "other")] == [True, False]
    assert found.accepts(package("app-misc/c-1"), "other")


def test_make_conf_binds_where_package_env_says_nothing_and_the_environment_everything(system: System) -> None:
    system.write("make.conf", 'GETBINPKG_FROM="own"\n')
    lines = ("app-misc/a on", "app-misc/b on lab")
    found = whitelist(system, *lines)
    assert [found.rule(package(f"app-misc/{name}-1")).binrepos for name in "ab"] == [{"own"}, {"lab"}]
    assert [found.wants(name) for name in ("own", "lab", "other")] == [True, True, False]
    found = whitelist(system, *lines, GETBINPKG_FROM="other")
    assert [found.rule(package(f"app-misc/{name}-1")).binrepos for name in "ab"] == [{"other"}, {"other"}]
    assert [found.wants(name) for name in ("own", "other")] == [False, True]


def test_env_files_that_concern_nothing_are_not_parsed(system: System) -> None:
    system.write("env/broken", "CFLAGS='\n")
    found = whitelist(system, "app-misc/a broken")
    assert found.rule(package("app-misc/a-1")) == PackageRule()
    assert not found.unparsable


def test_an_env_file_that_does_not_parse_is_kept_by_name_and_takes_its_entry_with_it(system: System) -> None:
    system.write("env/broken", "FEATURES='getbinpkg\n")
    found = whitelist(system, "app-misc/a on broken", "app-misc/b on")
    assert not found.is_on(package("app-misc/a-1"))
    assert found.is_on(package("app-misc/b-1"))
    assert set(found.unparsable) == {"broken"}


def test_the_atoms_that_hold_a_package_back(system: System) -> None:
    found = whitelist(system, "app-misc/a off", ">=app-misc/a-2 lab", "=app-misc/a-3 off", "app-misc/a fast")
    assert found.atoms_against(package("app-misc/a-2")) == {"app-misc/a", ">=app-misc/a-2"}
