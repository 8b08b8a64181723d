"""Each scenario goes wrong under Portage alone, and right with the plugin: in the list, in the merge, and when it is run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.testkit.chain import run_program
from tests.testkit.environments import SUPPORTED
from tests.testkit.roots import Root

GCC, ICU, SQLITE, GPG = "sys-devel/gcc-13.2", "dev-libs/icu-74", "dev-db/sqlite-3.44", "app-crypt/gnupg-2.5"
EVERY = ("gnupg", "lvm2", "coreutils", "usesfoo")
"""The programs that the system has from the start."""


def order(root: Root, *arguments: str) -> list[str]:
    return list(root.emerge("-p", "-1", *arguments).ok().plan())


def before(plan: list[str], earlier: str, later: str) -> bool:
    return plan.index(earlier) < plan.index(later)


def runs(root: Root, *names: str) -> dict[str, bool]:
    return {name: run_program(root, name).status == 0 for name in names or EVERY}


@pytest.mark.parametrize("version", SUPPORTED)
def test_gcc_newer_on_the_binhost(system: Callable[..., Root], version: str) -> None:
    packages = ("-g", "app-misc/cxxtool", "sys-devel/gcc:13")
    plain = system("plain", version=version, plugin=False) if version == SUPPORTED[-1] else None
    if plain is not None:
        assert not before(order(plain, *packages), GCC, "app-misc/cxxtool-1")
        plain.emerge("-1", "--nodeps", "-G", "app-misc/cxxtool").ok()
        broken = run_program(plain, "cxxtool").failed()
        assert "version `GLIBCXX_3.4.32' not found" in broken.stderr
    ours = system("ours", version=version)
    assert before(order(ours, *packages), GCC, "app-misc/cxxtool-1")
    ours.emerge("-1", *packages).ok()
    assert list(ours.merged()) == [GCC, "app-misc/cxxtool-1"]
    assert run_program(ours, "cxxtool").ok().stdout == "cxxtool-1\n"


def test_icu_sqlite_gpg_chain_runs_after_every_step(system: Callable[..., Root]) -> None:
    """Bug 920097: ICU came first, and gpg could verify nothing any more."""
    packages = ("-g", "dev-libs/icu", "dev-db/sqlite", "app-crypt/gnupg", "sys-devel/gcc:13")
    plain = system("plain", plugin=False)
    assert before(order(plain, *packages), ICU, GCC)
    ours = system("ours")
    plan = order(ours, *packages)
    assert [name for name in plan if name in (GCC, ICU, SQLITE, GPG)] == [GCC, ICU, SQLITE, GPG]
    for step in plan:
        ours.emerge("-1", "--nodeps", "-G", f"={step}").ok()
        assert runs(ours, "gnupg") == {"gnupg": True}, step
    assert run_program(ours, "gnupg").stdout == "gnupg-2.5\n"


def test_glibc_and_coreutils_in_one_update_of_world(system: Callable[..., Root]) -> None:
    world = "sys-apps/coreutils\nsys-libs/glibc\n"
    plans = {}
    for name in ("plain", "ours"):
        root = system(name, plugin=name == "ours")
        (root.path / "var/lib/portage/world").write_text(world)
        plans[name] = order(root, "-guD", "@world")
        if name == "ours":
            root.emerge("-1", "-guD", "--jobs", "4", "@world").ok()
            assert list(root.merged())[:2] == ["sys-libs/glibc-2.39", "sys-apps/coreutils-9.4"]
            assert runs(root) == dict.fromkeys(EVERY, True)
    assert not before(plans["plain"], "sys-libs/glibc-2.39", "sys-apps/coreutils-9.4")
    assert before(plans["ours"], "sys-libs/glibc-2.39", "sys-apps/coreutils-9.4")


def test_versioned_libblkid(system: Callable[..., Root]) -> None:
    packages = ("-g", "sys-fs/lvm2", "sys-apps/util-linux")
    ours = system()
    plan = order(ours, *packages)
    assert before(plan, "sys-apps/util-linux-2.40", "sys-fs/lvm2-2.04")
    run = ours.emerge("-p1g", "--exclude", "sys-apps/util-linux", "sys-fs/lvm2").failed()
    assert "sys-fs/lvm2-2.04 needs libblkid.so.1 (BLKID_2_40) [x86_64]" in run.stderr.replace("x86_64_64", "x86_64")
    assert "sys-apps/util-linux-2.40 would provide it" in run.stderr
    assert "emerge --oneshot --usepkg-exclude sys-fs/lvm2 =sys-fs/lvm2-2.04" in run.stderr


def test_parallel_merges_keep_the_order(system: Callable[..., Root]) -> None:
    packages = ("-g", "--jobs", "4", "app-misc/cxxtool", "sys-apps/coreutils", "sys-devel/gcc:13", "sys-libs/glibc")
    ours = system()
    ours.emerge("-1", *packages).ok()
    merged = list(ours.merged())
    assert before(merged, GCC, "app-misc/cxxtool-1")
    assert before(merged, "sys-libs/glibc-2.39", "sys-apps/coreutils-9.4")
    assert runs(ours, *EVERY, "cxxtool") == dict.fromkeys((*EVERY, "cxxtool"), True)


def test_keep_going_after_a_failure_in_the_toolchain(system: Callable[..., Root]) -> None:
    packages = (
        "-g",
        "--keep-going",
        "--jobs",
        "2",
        "app-misc/cxxtool",
        "sys-devel/gcc:13",
        "sys-fs/lvm2",
        "sys-apps/util-linux",
    )
    merged = {}
    for name in ("plain", "ours"):
        root = system(name, plugin=name == "ours")
        (root.path / "etc/fail-gcc").touch()
        root.emerge("-1", *packages).failed()
        merged[name] = root.installed()
        if name == "ours":
            assert runs(root) == dict.fromkeys(EVERY, True)
    assert "app-misc/cxxtool-1" in merged["plain"]
    assert "app-misc/cxxtool-1" not in merged["ours"]
    assert merged["ours"] >= {"sys-fs/lvm2-2.04", "sys-apps/util-linux-2.40", "sys-devel/gcc-13.1"}


def test_resume_keeps_the_order(system: Callable[..., Root]) -> None:
    ours = system()
    (ours.path / "etc/fail-gcc").touch()
    ours.emerge("-1g", "app-misc/cxxtool", "sys-devel/gcc:13").failed()
    assert "app-misc/cxxtool-1" not in ours.installed()
    (ours.path / "etc/fail-gcc").unlink()
    ours.emerge("--resume").ok()
    assert list(ours.merged())[-2:] == [GCC, "app-misc/cxxtool-1"]
    assert runs(ours, "cxxtool") == {"cxxtool": True}


def test_resume_without_the_toolchain_drops_what_needs_it(system: Callable[..., Root]) -> None:
    ours = system()
    (ours.path / "etc/fail-gcc").touch()
    ours.emerge("-1g", "app-misc/cxxtool", "sys-devel/gcc:13", "sys-apps/util-linux").failed()
    run = ours.emerge("--resume", "--skipfirst")
    assert "app-misc/cxxtool-1" not in ours.installed()
    assert "GLIBCXX_3.4.32" in run.stderr


def test_dependency_cycle_through_libstdcxx(system: Callable[..., Root]) -> None:
    """gcc 13.2 depends on ring, whose new binary needs the libstdc++ of gcc 13.2."""
    packages = ("-g", "dev-libs/ring", "sys-devel/gcc:13")
    ours = system()
    assert before(order(ours, *packages), GCC, "dev-libs/ring-2")
    ours.emerge("-1", *packages).ok()
    assert {GCC, "dev-libs/ring-2"} <= ours.installed()
    assert runs(ours) == dict.fromkeys(EVERY, True)
