"""A variable of package.env is stacked as Portage stacks variables; the environment wins, make.conf comes last."""

from __future__ import annotations

from pathlib import Path

from portage_ext.emerge.lacking.variable import PackageVariable
from tests.unit.emerge.configured import System, package


def test_the_most_specific_entry_that_says_something_wins(tmp_path: Path) -> None:
    system = System(tmp_path)
    system.write("env/wait", 'BINPKG_ONLY="wait"\n')
    system.write("env/no", 'BINPKG_ONLY="no"\n')
    system.write("env/fast", 'CFLAGS="-O3"\n')
    system.write("env/broken", 'BINPKG_ONLY="wait\n')
    system.write("env/other", "source wait\n")
    lines = ("app-misc/* wait", "app-misc/a no", "=app-misc/a-2 wait fast", "dev-libs/b broken", "dev-libs/c other")
    system.write("package.env", "".join(f"{line}\n" for line in lines))
    found = PackageVariable(system.config(), "BINPKG_ONLY")
    names = ("app-misc/a-1", "app-misc/a-2", "app-misc/z-1", "dev-libs/b-1", "dev-libs/c-1", "dev-libs/d-1")
    assert [found.of(package(name)) for name in names] == ["no", "wait", "wait", "", "wait", ""]
    system.write("make.conf", 'BINPKG_ONLY="wait"\n')
    found = PackageVariable(system.config(), "BINPKG_ONLY")
    assert [found.of(package(name)) for name in names] == ["no", "wait", "wait", "wait", "wait", "wait"]
    found = PackageVariable(system.config(BINPKG_ONLY="no"), "BINPKG_ONLY")
    assert {found.of(package(name)) for name in names} == {"no"}
