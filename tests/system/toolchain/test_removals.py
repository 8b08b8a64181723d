"""What is unmerged, by a command or within a merge list, breaks no program that stays, unless Portage keeps the library."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.system.toolchain.portages import ALONE, OLDEST
from tests.testkit.chain import broken, run_program
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

NOT_KEPT = "-preserve-libs"
FOO, BAZ = "dev-libs/foo-2", "dev-libs/baz-1"


def refused(run: Outcome, *words: str) -> None:
    run.failed()
    for word in words:
        assert word in run.text, str(run)


@pytest.mark.parametrize("portage", OLDEST, indirect=True)
def test_unmerge_of_a_library_that_a_program_needs(system: Callable[..., Root]) -> None:
    plain = system("plain", plugin=False, features=NOT_KEPT)
    plain.emerge("--unmerge", "dev-libs/foo").ok()
    assert "libfoo.so.1: cannot open shared object file" in run_program(plain, "usesfoo").failed().stderr
    ours = system("ours", features=NOT_KEPT)
    words = (
        "unmerging dev-libs/foo-2 would remove libfoo.so.1 (FOO_2) [x86_64], which app-misc/usesfoo-1 needs",
        "emerge --unmerge =app-misc/usesfoo-1 =dev-libs/foo-2",
        "PORTAGE_EXT_TOOLCHAIN=warn",
    )
    for how in ("--unmerge", "--rage-clean"):
        refused(ours.emerge(how, "dev-libs/foo"), *words)
    refused(ours.emerge("--pretend", "--unmerge", "dev-libs/foo"), *words)
    assert FOO in ours.installed()
    assert run_program(ours, "usesfoo").ok().stdout == "usesfoo-1\n"
    ours.emerge("--unmerge", "app-misc/usesfoo", "dev-libs/foo").ok()
    assert not {FOO, "app-misc/usesfoo-1"} & ours.installed()
    assert broken(ours) == []


def test_library_that_portage_preserves_may_be_unmerged(system: Callable[..., Root]) -> None:
    ours = system()
    run = ours.emerge("--unmerge", "dev-libs/foo").ok()
    assert "portage-ext:" not in run.text
    assert FOO not in ours.installed()
    assert run_program(ours, "usesfoo").ok().stdout == "usesfoo-1\n"
    assert broken(ours) == []


@pytest.mark.slow
def test_library_of_the_same_name_elsewhere_keeps_portage_from_preserving(system: Callable[..., Root]) -> None:
    """foo-compat has the soname and not the version: Portage finds a provider, preserves nothing, and usesfoo breaks."""
    if ALONE:
        plain = system("plain", plugin=False)
        plain.emerge("-1g", "dev-libs/foo-compat").ok()
        plain.emerge("--unmerge", "dev-libs/foo").ok()
        assert "version `FOO_2' not found" in run_program(plain, "usesfoo").failed().stderr
    ours = system("ours")
    ours.emerge("-1g", "dev-libs/foo-compat").ok()
    refused(ours.emerge("--unmerge", "dev-libs/foo"), "libfoo.so.1 (FOO_2)", "the other installed library of this name")
    ours.emerge("--unmerge", "dev-libs/foo-compat").ok()
    assert run_program(ours, "usesfoo").ok().stdout == "usesfoo-1\n"
    assert broken(ours) == []


def test_depclean_and_prune(system: Callable[..., Root]) -> None:
    """Nothing declares that usesbaz needs baz, so that Portage, told not to look at libraries, removes it."""
    lax = ("--depclean-lib-check=n", "dev-libs/baz")
    if ALONE:
        plain = system("plain", plugin=False, features=NOT_KEPT)
        (plain.path / "var/lib/portage/world").write_text("app-misc/usesbaz\n")
        plain.emerge("--depclean", *lax).ok()
        assert "libbaz.so.1: cannot open" in run_program(plain, "usesbaz").failed().stderr
    ours = system("ours", features=NOT_KEPT)
    (ours.path / "var/lib/portage/world").write_text("app-misc/usesbaz\n")
    refused(ours.emerge("--depclean", *lax), "unmerging dev-libs/baz-1 would remove libbaz.so.1 (BAZ_2)")
    assert BAZ in ours.installed()
    ours.emerge("-1g", "sys-devel/gcc:14").ok()
    refused(ours.emerge("--prune", "sys-devel/gcc", "--nodeps"), "unmerging sys-devel/gcc-13.1 would remove libstdc++.so.6")
    # A slot of a compiler that nobody uses goes as ever.
    ours.emerge("--unmerge", "=sys-devel/gcc-14.1").ok()
    assert broken(ours) == []


@pytest.mark.parametrize("mode", ["order", pytest.param("warn", marks=pytest.mark.slow), "off"])
def test_modes_of_removal(system: Callable[..., Root], mode: str) -> None:
    ours = system(features=NOT_KEPT)
    run = ours.emerge("--unmerge", "dev-libs/foo", PORTAGE_EXT_TOOLCHAIN=mode).ok()
    assert FOO not in ours.installed()
    assert ("unmerging dev-libs/foo-2 would remove" in run.stderr) is (mode != "off")


def test_package_env_exempts_what_is_removed(system: Callable[..., Root]) -> None:
    ours = system(features=NOT_KEPT)
    ours.etc("env/trusting", 'PORTAGE_EXT_TOOLCHAIN="off"\n')
    ours.etc("package.env", "dev-libs/foo trusting\n")
    refused(ours.emerge("--unmerge", "dev-libs/baz"), "libbaz.so.1 (BAZ_2)")
    ours.emerge("--unmerge", "dev-libs/foo").ok()


def test_program_that_is_broken_already_holds_nothing_back(system: Callable[..., Root]) -> None:
    ours = system(features=NOT_KEPT)
    (ours.path / "usr/lib64/libfoo.so.1").unlink()
    ours.emerge("--unmerge", "dev-libs/foo").ok()
    assert FOO not in ours.installed()


def test_unmerge_goes_on_when_the_check_fails(system: Callable[..., Root]) -> None:
    ours = system(features=NOT_KEPT)
    # A vdb entry that no longer holds together.
    needed = ours.path / "var/db/pkg" / FOO / "NEEDED.ELF.2"
    needed.unlink()
    needed.mkdir()
    run = ours.emerge("--unmerge", "dev-libs/foo").ok()
    assert "portage-ext: not active: the check of what is removed: " in run.stderr
    assert FOO not in ours.installed()


def test_uninstall_within_a_merge_list(system: Callable[..., Root]) -> None:
    """baz-lite blocks baz and has less than it, baz-ng blocks it and has all."""
    if ALONE:
        plain = system("plain", plugin=False)
        run = plain.emerge("-1g", "dev-libs/baz-lite").ok()
        assert "uninstall" in run.stdout.lower()
        assert BAZ not in plain.installed()
        assert "version `BAZ_2' not found" in run_program(plain, "usesbaz").failed().stderr
    ours = system("ours")
    refused(ours.emerge("-1g", "dev-libs/baz-lite"), "libbaz.so.1 (BAZ_2)", "which app-misc/usesbaz-1 needs")
    assert BAZ in ours.installed()
    ours.emerge("-1g", "dev-libs/baz-ng").ok()
    assert BAZ not in ours.installed()
    assert run_program(ours, "usesbaz").ok().stdout == "usesbaz-1\n"
    assert broken(ours) == []


@pytest.mark.slow
def test_update_that_changes_the_soname_in_its_slot(system: Callable[..., Root]) -> None:
    if ALONE:
        plain = system("plain", plugin=False, features=NOT_KEPT)
        plain.emerge("-1g", "=dev-libs/baz-3").ok()
        assert "libbaz.so.1: cannot open" in run_program(plain, "usesbaz").failed().stderr
    ours = system("ours", features=NOT_KEPT)
    refused(ours.emerge("-1g", "=dev-libs/baz-3"), "dev-libs/baz-3 would remove libbaz.so.1 (BAZ_2)", "app-misc/usesbaz-1")
    kept = system("kept")
    kept.emerge("-1g", "=dev-libs/baz-3").ok()
    assert run_program(kept, "usesbaz").ok().stdout == "usesbaz-1\n"
    assert broken(kept) == broken(ours) == []


def test_private_library_that_an_update_takes_from_a_program_of_another_package(system: Callable[..., Root]) -> None:
    """usesring finds libown.so.1 by RUNPATH in a directory of util-linux, whose next version has none.

    That preserve-libs keeps it, test_versioned_libblkid shows.
    """
    update = ("-1g", "sys-apps/util-linux", "sys-fs/lvm2")
    if ALONE:
        plain = system("plain", plugin=False, features=NOT_KEPT)
        plain.emerge(*update).ok()
        assert "libown.so.1: cannot open" in run_program(plain, "usesring").failed().stderr
    ours = system("ours", features=NOT_KEPT)
    refused(ours.emerge(*update), "sys-apps/util-linux-2.40 would remove libown.so.1 [x86_64]", "app-misc/usesring-1 needs")
    assert run_program(ours, "usesring").ok().stdout == "usesring-1\n"
    assert broken(ours) == []
