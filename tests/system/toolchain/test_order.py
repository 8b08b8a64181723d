"""Each scenario goes wrong under Portage alone, and right with the plugin: in the list, in the merge, and when it is run.

Every system starts all programs that it has in each phase of each merge (``chain.watch``): with the plugin none ever fails.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.system.toolchain.portages import ALONE, OLDEST, SIDES
from tests.testkit.chain import bashrc, broken, run_program
from tests.testkit.roots import Root

GCC, ICU, SQLITE, GPG = "sys-devel/gcc-13.2", "dev-libs/icu-74", "dev-db/sqlite-3.44", "app-crypt/gnupg-2.5"
GLIBC, COREUTILS = "sys-libs/glibc-2.39", "sys-apps/coreutils-9.4"
UTIL_LINUX, LVM2, RING, CXXTOOL = "sys-apps/util-linux-2.40", "sys-fs/lvm2-2.04", "dev-libs/ring-2", "app-misc/cxxtool-1"
EVERY = ("gnupg", "lvm2", "coreutils", "usesfoo", "usesring", "usesbaz")
"""The programs that the system has from the start."""


def order(root: Root, *arguments: str) -> list[str]:
    return list(root.emerge("-p", "-1", *arguments).ok().plan())


def before(plan: list[str], earlier: str, later: str) -> bool:
    return plan.index(earlier) < plan.index(later)


def runs(root: Root, *names: str) -> bool:
    """Whether these programs, those from the start by default, run now, and every program ran in every phase so far."""
    return broken(root) == [] and all(run_program(root, name).status == 0 for name in names or EVERY)


def fell(root: Root, program: str, version: str) -> bool:
    """Whether ``program`` was seen not to start because a library lacked ``version``."""
    return any(line.startswith(f"{program} at ") and f"version `{version}' not found" in line for line in broken(root))


def test_gcc_newer_on_the_binhost(system: Callable[..., Root]) -> None:
    packages = ("-g", "app-misc/cxxtool", "sys-devel/gcc:13")
    plain = system("plain", plugin=False)
    assert not before(order(plain, *packages), GCC, CXXTOOL)
    plain.emerge("-1", *packages).ok()
    assert fell(plain, "cxxtool", "GLIBCXX_3.4.32")
    ours = system("ours")
    assert before(order(ours, *packages), GCC, CXXTOOL)
    ours.emerge("-1", *packages).ok()
    assert list(ours.merged()) == [GCC, CXXTOOL]
    assert run_program(ours, "cxxtool").ok().stdout == "cxxtool-1\n"
    assert runs(ours)


@pytest.mark.slow
def test_icu_sqlite_gpg_chain_runs_after_every_step(system: Callable[..., Root]) -> None:
    """Bug 920097: ICU came first, and gpg could verify nothing any more."""
    packages = ("-g", "dev-libs/icu", "dev-db/sqlite", "app-crypt/gnupg", "sys-devel/gcc:13")
    if ALONE:
        plain = system("plain", plugin=False)
        assert before(order(plain, *packages), ICU, GCC)
        plain.emerge("-1", *packages).ok()
        assert fell(plain, "gnupg", "GLIBCXX_3.4.32")
    ours = system("ours")
    assert [name for name in order(ours, *packages) if name in (GCC, ICU, SQLITE, GPG)] == [GCC, ICU, SQLITE, GPG]
    ours.emerge("-1", *packages).ok()
    assert list(ours.merged()) == [GCC, ICU, SQLITE, GPG]
    assert run_program(ours, "gnupg").stdout == "gnupg-2.5\n"
    assert runs(ours)


@pytest.mark.slow
def test_glibc_and_coreutils_in_one_update_of_world(system: Callable[..., Root]) -> None:
    """Bug 753500. The binaries name no version of glibc, as those that were built without ``virtual/libc`` do not."""
    for name in SIDES:
        root = system(name, plugin=name == "ours")
        (root.path / "var/lib/portage/world").write_text("sys-apps/coreutils\nsys-libs/glibc\n")
        assert before(order(root, "-guD", "@world"), GLIBC, COREUTILS) is (name == "ours")
        root.emerge("-1", "-guD", "@world").ok()
        assert before(list(root.merged()), GLIBC, COREUTILS) is (name == "ours")
        if name == "ours":
            assert runs(root)
        else:
            assert fell(root, "coreutils", "GLIBC_2.39")


def test_versioned_libblkid(system: Callable[..., Root]) -> None:
    """util-linux and lvm2 depend on each other, as they do through udev: Portage breaks the cycle where it likes."""
    packages = ("-g", "sys-fs/lvm2", "sys-apps/util-linux")
    if ALONE:
        plain = system("plain", plugin=False)
        plain.emerge("-1", *packages).ok()
        assert list(plain.merged()) == [LVM2, UTIL_LINUX]
        assert fell(plain, "lvm2", "BLKID_2_40")
    ours = system("ours")
    run = ours.emerge("-p1g", "--exclude", "sys-apps/util-linux", "sys-fs/lvm2").failed()
    assert "sys-fs/lvm2-2.04 needs libblkid.so.1 (BLKID_2_40) [x86_64]" in run.stderr
    assert "sys-apps/util-linux-2.40 would provide it" in run.stderr
    assert "emerge --oneshot --usepkg-exclude sys-fs/lvm2 =sys-fs/lvm2-2.04" in run.stderr
    ours.emerge("-1", *packages).ok()
    assert list(ours.merged()) == [UTIL_LINUX, LVM2]
    assert runs(ours)


@pytest.mark.slow
def test_parallel_merges_keep_the_order(system: Callable[..., Root]) -> None:
    """Portage's list has glibc before coreutils by chance, and gcc after cxxtool; neither waits for the other."""
    packages = ("-g", "--jobs", "4", "sys-libs/glibc", "sys-apps/coreutils", "app-misc/cxxtool", "sys-devel/gcc:13")
    # What is small is ready long before a toolchain is, which waits for it here, or for some seconds.
    ready = f"-e ${{ROOT%/}}/var/db/pkg/{COREUTILS} && -e ${{ROOT%/}}/var/db/pkg/{CXXTOOL}"
    wait = f"for _ in {{1..SECONDS}}; do [[ {ready} ]] && break; sleep 1; done"
    slow = f"if [[ ${{EBUILD_PHASE-}} == clean && ${{PN}} == @(gcc|glibc) ]]; then {wait}; fi\n"
    if ALONE:
        plain = system("plain", plugin=False)
        bashrc(plain, slow.replace("SECONDS", "300"))
        assert before(order(plain, *packages), GLIBC, COREUTILS)
        plain.emerge("-1", *packages).ok()
        assert fell(plain, "coreutils", "GLIBC_2.39")
        assert fell(plain, "cxxtool", "GLIBCXX_3.4.32")
    ours = system("ours")
    bashrc(ours, slow.replace("SECONDS", "2"))
    ours.emerge("-1", *packages).ok()
    merged = list(ours.merged())
    assert before(merged, GCC, CXXTOOL)
    assert before(merged, GLIBC, COREUTILS)
    assert runs(ours, *EVERY, "cxxtool")


@pytest.mark.slow
@pytest.mark.parametrize("portage", OLDEST, indirect=True)
def test_keep_going_after_a_failure_in_the_toolchain(system: Callable[..., Root]) -> None:
    """The list is made again in the same process (of Portage before 3.0.83), on a system that has changed since."""
    packages = ("app-misc/cxxtool", "sys-devel/gcc:13", "sys-fs/lvm2", "sys-apps/util-linux")
    for name in SIDES:
        root = system(name, plugin=name == "ours")
        (root.path / "etc/fail-gcc").touch()
        root.emerge("-1g", "--keep-going", "--jobs", "2", *packages).failed()
        assert root.installed() >= {LVM2, UTIL_LINUX, "sys-devel/gcc-13.1"}
        if name == "ours":
            assert CXXTOOL not in root.installed()
            assert runs(root)
        else:
            assert CXXTOOL in root.installed()
            assert "version `GLIBCXX_3.4.32' not found" in run_program(root, "cxxtool").failed().stderr


@pytest.mark.slow
def test_resume_keeps_the_order(system: Callable[..., Root]) -> None:
    for name in SIDES:
        root = system(name, plugin=name == "ours")
        (root.path / "etc/fail-stumble").touch()
        root.emerge("-1g", "app-misc/stumble", "app-misc/cxxtool", "sys-devel/gcc:13").failed()
        assert CXXTOOL not in root.installed()
        (root.path / "etc/fail-stumble").unlink()
        root.emerge("--resume", "-g").ok()  # without -g Portage sees no binhost, and drops what it has not fetched
        assert before(list(root.merged()), GCC, CXXTOOL) is (name == "ours")
        if name == "ours":
            assert runs(root, *EVERY, "cxxtool")
        else:
            assert fell(root, "cxxtool", "GLIBCXX_3.4.32")


def test_resume_without_the_toolchain_drops_what_needs_it(system: Callable[..., Root]) -> None:
    for name in SIDES:
        root = system(name, plugin=name == "ours")
        (root.path / "etc/fail-gcc").touch()
        # Portage alone reaches gcc last; it is asked to go on without it either way.
        root.emerge("-1g", "app-misc/cxxtool", "sys-devel/gcc:13", "sys-apps/util-linux").failed()
        run = root.emerge("--resume", "--skipfirst", "-g")
        if name == "ours":
            assert CXXTOOL not in root.installed()
            assert "GLIBCXX_3.4.32" in run.stderr
            assert runs(root)
        else:
            assert "version `GLIBCXX_3.4.32' not found" in run_program(root, "cxxtool").failed().stderr


@pytest.mark.slow
def test_dependency_cycle_through_libstdcxx(system: Callable[..., Root]) -> None:
    """gcc 13.2 depends on ring, whose new binary needs the libstdc++ of gcc 13.2."""
    packages = ("-g", "dev-libs/ring", "sys-devel/gcc:13")
    for name in SIDES:
        root = system(name, plugin=name == "ours")
        assert before(order(root, *packages), GCC, RING) is (name == "ours")
        root.emerge("-1", *packages).ok()
        assert {GCC, RING} <= root.installed()
        if name == "ours":
            assert runs(root)
        else:
            assert fell(root, "usesring", "GLIBCXX_3.4.32")
