"""What nobody can meet is refused before a file changes, in words that say what to do, by the plan check and by the guard."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tests.system.toolchain.portages import ALONE
from tests.testkit import httpd
from tests.testkit.chain import LOADER_32, Chain, broken, run_program
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root


def refused(run: Outcome, *words: str) -> None:
    run.failed()
    for word in words:
        assert word in run.text, str(run)


def test_need_that_nothing_in_the_list_meets(system: Callable[..., Root]) -> None:
    ours = system()
    for options in (("-p1g",), ("-1g",)):
        refused(
            ours.emerge(*options, "app-misc/cxxtool"),
            "app-misc/cxxtool-1 needs libstdc++.so.6 (GLIBCXX_3.4.32)",
            "sys-devel/gcc-14.1 would provide it; merge it first: emerge --oneshot =sys-devel/gcc-14.1",
            "build app-misc/cxxtool-1 from source: emerge --oneshot --usepkg-exclude app-misc/cxxtool =app-misc/cxxtool-1",
        )
    assert ours.merged() == {}
    ours.emerge("--oneshot", "--usepkg-exclude", "app-misc/cxxtool", "-g", "=app-misc/cxxtool-1").failed()  # our old libstdc++


def test_gcc_installed_but_not_selected(system: Callable[..., Root]) -> None:
    if ALONE:
        plain = system("plain", plugin=False)
        plain.emerge("-1g", "sys-devel/gcc:14", "app-misc/cxxnewest").ok()
        assert "version `GLIBCXX_3.4.99' not found" in run_program(plain, "cxxnewest").failed().stderr
    ours = system("ours")
    ours.emerge("-1g", "sys-devel/gcc:14").ok()
    profile = "gcc-config x86_64-pc-linux-gnu-14"
    refused(ours.emerge("-1g", "app-misc/cxxnewest"), "GLIBCXX_3.4.99", profile)
    refused(ours.emerge("-1g", "--nodeps", "app-misc/cxxnewest"), "GLIBCXX_3.4.99", profile, "nothing of it was merged")
    assert "app-misc/cxxnewest-1" not in ours.installed()
    conf = ours.path / "etc/ld.so.conf.d/05gcc-x86_64-pc-linux-gnu.conf"
    conf.write_text(conf.read_text().replace("/13", "/14"))
    ours.emerge("-1g", "app-misc/cxxnewest").ok()
    assert run_program(ours, "cxxnewest").ok().stdout == "cxxnewest-1\n"
    assert broken(ours) == []


def test_downgrade_that_takes_versions_from_an_installed_program(system: Callable[..., Root]) -> None:
    if ALONE:
        plain = system("plain", plugin=False)
        plain.emerge("-1g", "=dev-libs/foo-1").ok()
        assert "version `FOO_2' not found" in run_program(plain, "usesfoo").failed().stderr
    ours = system("ours")
    refused(
        ours.emerge("-1g", "=dev-libs/foo-1"),
        "dev-libs/foo-1 would remove libfoo.so.1 (FOO_2)",
        "which app-misc/usesfoo-1 needs",
    )
    assert run_program(ours, "usesfoo").ok().stdout == "usesfoo-1\n"
    assert broken(ours) == []
    # Compiled, it is merged: what it takes away is known and told just before, and may be rebuilt in the same run.
    run = ours.emerge("-1", "=dev-libs/foo-1").ok()
    assert "app-misc/usesfoo-1 needs libfoo.so.1 (FOO_2) [x86_64]" in run.text
    assert "emerge --oneshot =app-misc/usesfoo-1" in run.text


def test_binhost_without_contracts_is_held_by_the_guard(system: Callable[..., Root], chain: Chain) -> None:
    with httpd.serve(chain.bare) as bare:
        if ALONE:
            plain = system("plain", url=bare.url, plugin=False)
            plain.emerge("-1g", "app-misc/cxxtool").ok()
            assert "version `GLIBCXX_3.4.32' not found" in run_program(plain, "cxxtool").failed().stderr
        ours = system("ours", url=bare.url)
        # Without contracts nothing in the plan is wrong; the guard holds back what comes too soon, and the other is merged.
        run = ours.emerge("-1g", "app-misc/cxxtool", "sys-apps/util-linux", "--keep-going")
        refused(run, "app-misc/cxxtool-1 needs libstdc++.so.6 (GLIBCXX_3.4.32)", "nothing of it was merged")
        assert "app-misc/cxxtool-1" not in ours.installed()
        assert not (ours.path / "usr/bin/cxxtool").exists()
        assert "sys-apps/util-linux-2.40" in ours.installed()
        assert broken(ours) == []


@pytest.mark.slow
def test_installed_toolchain_is_no_longer_refused(system: Callable[..., Root]) -> None:
    ours = system()
    ours.emerge("-1g", "sys-devel/gcc:13").ok()
    ours.emerge("-1g", "app-misc/cxxtool").ok()
    assert run_program(ours, "cxxtool").ok().stdout == "cxxtool-1\n"


@pytest.mark.slow
def test_32_bit_and_64_bit_side_by_side(system: Callable[..., Root]) -> None:
    """The 64-bit library has what the 32-bit program needs, and that helps nobody."""
    ours = system()
    ours.emerge("-1g", "app-misc/tool64").ok()
    assert run_program(ours, "tool64").ok().stdout == "tool64-1\n"
    without = ("--exclude", "dev-libs/wide")
    refused(ours.emerge("-1g", *without, "app-misc/tool32"), "app-misc/tool32-1 needs libwide.so.1 (W_2) [x86_32]")
    refused(ours.emerge("-1g", "--nodeps", "app-misc/tool32"), "libwide.so.1 (W_2) [x86_32]", "nothing of it was merged")
    assert list(ours.emerge("-p1g", "app-misc/tool32", "dev-libs/wide").ok().plan()) == ["dev-libs/wide-2", "app-misc/tool32-1"]
    ours.emerge("-1g", "app-misc/tool32", "dev-libs/wide").ok()
    assert run_program(ours, "tool64").ok().stdout == "tool64-1\n"
    assert broken(ours) == []


def test_a_64_bit_library_serves_no_32_bit_program(system: Callable[..., Root]) -> None:
    ours = system()
    refused(
        ours.emerge("-p1g", "--exclude", "dev-libs/wide", "app-misc/tool64", "app-misc/tool32"),
        "app-misc/tool32-1 needs libwide.so.1 (W_2) [x86_32]",
    )
    assert ours.emerge("-p1g", "app-misc/tool64", "--exclude", "dev-libs/wide").ok().plan().keys() == {"app-misc/tool64-1"}


@pytest.mark.slow
@pytest.mark.skipif(not LOADER_32.exists(), reason=f"{LOADER_32} is not there: Debian has it in libc6-i386")
def test_32_bit_program_runs_with_its_own_library_only(system: Callable[..., Root]) -> None:
    if ALONE:
        plain = system("plain", plugin=False)
        plain.emerge("-1g", "--nodeps", "app-misc/tool64", "app-misc/tool32").ok()
        run_program(plain, "tool64").ok()
        assert "version `W_2' not found" in run_program(plain, "tool32").failed().stderr
    ours = system("ours")
    ours.emerge("-1g", "app-misc/tool64", "app-misc/tool32", "dev-libs/wide").ok()
    run_program(ours, "tool64").ok()
    run_program(ours, "tool32").ok()
    assert broken(ours) == []


@pytest.mark.parametrize(
    ("mode", "ordered", "merged"),
    [("order", True, True), pytest.param("warn", False, True, marks=pytest.mark.slow), ("off", False, True)],
)
def test_modes(system: Callable[..., Root], mode: str, ordered: bool, merged: bool) -> None:
    ours = system()
    both = ("-p1g", "app-misc/cxxtool", "sys-devel/gcc:13")
    plan = list(ours.emerge(*both, PORTAGE_EXT_TOOLCHAIN=mode).ok().plan())
    assert (plan.index("sys-devel/gcc-13.2") < plan.index("app-misc/cxxtool-1")) is ordered
    ours.etc("portage-ext.toml", f'toolchain = "{mode}"\n')
    assert list(ours.emerge(*both).ok().plan()) == plan
    run = ours.emerge("-1g", "app-misc/cxxtool").ok()
    assert ("app-misc/cxxtool-1" in ours.installed()) is merged
    assert ("GLIBCXX_3.4.32" in run.stderr) is (mode != "off")


def test_package_env_exempts_one_package(system: Callable[..., Root]) -> None:
    ours = system()
    ours.etc("env/trusting", 'PORTAGE_EXT_TOOLCHAIN="off"\n')
    ours.etc("package.env", "app-misc/cxxtool trusting\n")
    ours.emerge("-1g", "app-misc/cxxtool").ok()
    refused(ours.emerge("-1g", "app-misc/cxxnewest"), "GLIBCXX_3.4.99")


def test_slip_in_the_setting_is_said_and_switches_nothing_off(system: Callable[..., Root]) -> None:
    ours = system()
    ours.etc("portage-ext.toml", 'toolchain = "of"\n')
    refused(ours.emerge("-1g", "app-misc/cxxtool"), "toolchain is 'of'", "GLIBCXX_3.4.32")


@pytest.mark.parametrize(
    ("file", "text", "what"),
    [
        ("toolchain/plan.py", "raise RuntimeError('half a file')\n", "toolchain order is off"),
        (
            "toolchain/cycles.py",
            "def on_cycle(pairs):\n    raise RuntimeError('boom')\n",
            "not active: the order of the merge list",
        ),
    ],
    ids=["when it is loaded", "when a list is ordered again"],
)
def test_error_inside_the_check_lets_emerge_go_on(system: Callable[..., Root], file: str, text: str, what: str) -> None:
    ours = system()
    site = ours.path / "broken"
    shutil.copytree(ours.environment.site_packages / "portage_ext", site / "portage_ext")
    (site / "portage_ext" / file).write_text(text)
    both = ("-p1g", "app-misc/cxxtool", "sys-devel/gcc:13")
    run = ours.emerge(*both, PYTHONPATH=str(site)).ok()
    (said,) = (line for line in run.stderr.splitlines() if line.startswith("portage-ext:"))
    assert said.startswith(f"portage-ext: {what}")
    assert ": RuntimeError: " in said
    assert run.plan() == ours.emerge(*both, PORTAGE_EXT_TOOLCHAIN="off").ok().plan()
