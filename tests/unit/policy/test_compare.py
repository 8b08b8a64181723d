from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from portage_ext.model.builder import Builder
from portage_ext.policy.compare import Finding, Grade, Known, PackageUse, compare
from portage_ext.policy.cpu import Fit, Judgement

RUNS = Known(Judgement(Fit.RUNS))
HERE = Builder(
    profile="gentoo:default/linux/amd64/23.0",
    arch="amd64",
    chost="x86_64-pc-linux-gnu",
    cflags=("-O2", "-march=x86-64-v3"),
    march=("-march=x86-64-v3",),
    toolchain={"sys-devel/gcc": ("13.2",)},
    cpu_flags=("avx2", "sse4_2"),
    accept_keywords=("amd64",),
    accept_license=("@FREE",),
    use=("acl", "X"),
    use_expand={"VIDEO_CARDS": ("amdgpu", "radeonsi"), "PYTHON_TARGETS": ("python3_12",), "L10N": ("de",)},
)


def only(known: Known = RUNS, **there: Any) -> Finding:
    found = compare(HERE, replace(HERE, **there), known)
    assert len(found) == 1, found
    return found[0]


def test_a_binhost_like_this_host_has_nothing_to_be_said_of() -> None:
    assert compare(HERE, HERE, RUNS) == []


@pytest.mark.parametrize(
    ("there", "grade", "name", "remedy"),
    [
        ({"chost": "x86_64-gentoo-linux-musl"}, Grade.UNUSABLE, "CHOST", 'ACCEPT_CHOSTS="x86_64-pc-linux-gnu x86_64-gentoo'),
        ({"arch": "arm64"}, Grade.UNUSABLE, "ARCH", "a binhost for amd64"),
        ({"profile": "gentoo:x"}, Grade.DIFFERENT, "profile", "eselect profile set gentoo:x"),
        ({"accept_keywords": ("amd64", "~amd64")}, Grade.UNUSABLE, "keywords", 'ACCEPT_KEYWORDS="amd64 ~amd64"'),
        ({"accept_license": ("*",)}, Grade.UNUSABLE, "licence", 'ACCEPT_LICENSE="@FREE *"'),
        ({"use": ("X", "acl", "gtk")}, Grade.DIFFERENT, "USE", 'USE="${USE} gtk"'),
        ({"use": ("X",)}, Grade.DIFFERENT, "USE", 'USE="${USE} -acl"'),
        ({"profile": "desktop"}, Grade.DIFFERENT, "profile", "a profile of an ebuild repository"),
        ({"profile": "x:$(id)"}, Grade.DIFFERENT, "profile", "eselect profile set 'x:$(id)'"),
        ({"package_use": {"a/b": ("c", "-d")}}, Grade.DIFFERENT, "package.use", "package.use"),
    ],
)
def test_one_difference_is_one_finding_with_its_remedy(there: dict[str, Any], grade: Grade, name: str, remedy: str) -> None:
    found = only(**there)
    assert (found.grade, found.name) == (grade, name)
    assert remedy in found.remedy


def groups(**changed: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {**HERE.use_expand, **changed}


def test_the_gpu_trap_is_a_driver_that_the_binhost_leaves_out() -> None:
    found = only(use_expand=groups(VIDEO_CARDS=("intel", "radeonsi")))
    assert (found.grade, found.name) == (Grade.TRAP, "GPU (VIDEO_CARDS)")
    assert "amdgpu" in found.what
    assert 'VIDEO_CARDS="amdgpu intel radeonsi" in make.conf' in found.remedy


def test_a_binhost_with_more_drivers_is_merely_different() -> None:
    found = only(use_expand=groups(VIDEO_CARDS=("amdgpu", "intel", "radeonsi")))
    assert found.grade is Grade.DIFFERENT
    assert 'VIDEO_CARDS="amdgpu intel radeonsi" in make.conf' in found.remedy


def test_python_targets_are_a_trap_and_languages_are_not() -> None:
    assert only(use_expand=groups(PYTHON_TARGETS=("python3_13",))).grade is Grade.TRAP
    assert only(use_expand=groups(L10N=("de", "fr"))).grade is Grade.DIFFERENT


def test_cpu_flags_that_this_cpu_lacks_make_packages_unusable() -> None:
    found = only(use_expand=groups(CPU_FLAGS_X86=("avx512f", "sse4_2")))
    assert found.grade is Grade.UNUSABLE
    assert "avx512f" in found.what
    assert 'CPU_FLAGS_X86="sse4_2" in make.conf' in found.remedy
    assert only(use_expand=groups(CPU_FLAGS_X86=("sse4_2",))).grade is Grade.DIFFERENT


@pytest.mark.parametrize(
    ("cpu", "grade"),
    [
        (Judgement(Fit.CANNOT, ("avx512f",)), Grade.UNUSABLE),
        (Judgement(Fit.MOSTLY, ("rdseed",)), Grade.DIFFERENT),
        (Judgement(Fit.UNKNOWN), Grade.DIFFERENT),
    ],
)
def test_code_for_another_cpu(cpu: Judgement, grade: Grade) -> None:
    found = only(Known(cpu, 3))
    assert (found.grade, found.name) == (grade, "CPU")
    assert all(feature in found.what for feature in cpu.lacking)
    if grade is Grade.UNUSABLE:
        assert 'CFLAGS="-march=x86-64-v3 -O2" in make.conf' in found.remedy


def test_a_builder_that_builds_for_its_own_cpu_is_told_what_to_write() -> None:
    found = only(cflags=("-O2", "-march=native"), march=("-march=znver3", "-mno-pku"))
    assert found.name == "march"
    assert 'CFLAGS="-march=znver3 -mno-pku' in found.remedy


def test_a_testing_host_at_a_stable_binhost_is_told_why_it_compiles() -> None:
    found = compare(replace(HERE, accept_keywords=("amd64", "~amd64")), HERE, RUNS)
    assert [(one.grade, one.name) for one in found] == [(Grade.DIFFERENT, "keywords")]


def test_a_licence_that_is_refused_here_alone_is_named() -> None:
    found = compare(replace(HERE, accept_license=("*", "-@EULA")), replace(HERE, accept_license=("*",)), RUNS)
    assert [(one.grade, one.name) for one in found] == [(Grade.UNUSABLE, "licence")]
    assert "@EULA" in found[0].what


GROUPS = {"@FREE": frozenset(("GPL-2", "MIT")), "@EULA": frozenset(("EULA-1", "EULA-2"))}


@pytest.mark.parametrize(
    ("here", "there", "words"),
    [
        ("@FREE", "GPL-2 MIT", ""),
        ("GPL-2 MIT", "@FREE", ""),
        ("* -@EULA", "@FREE", ""),
        ("@FREE", "@FREE @EULA", "@EULA"),
        ("@FREE", "* -EULA-1 -EULA-2", "* -@EULA"),
        ("* -EULA-1", "@FREE @EULA", "EULA-1"),
        ("@FREE", "GPL-2 EULA-2 Own @UNKNOWN", "@UNKNOWN EULA-2 Own"),
        ("@FREE", "* -* MIT", ""),
    ],
)
def test_licences_are_compared_by_what_their_groups_hold(here: str, there: str, words: str) -> None:
    ours, theirs = (replace(HERE, accept_license=tuple(one.split())) for one in (here, there))
    found = compare(ours, theirs, replace(RUNS, licences=GROUPS))
    assert [(one.grade, one.name) for one in found] == ([(Grade.UNUSABLE, "licence")] if words else [])
    if words:
        assert found[0].remedy.endswith(f'ACCEPT_LICENSE="{here} {words}"')
        # With the printed line there is nothing left to find.
        ours = replace(ours, accept_license=(*ours.accept_license, *words.split()))
        assert compare(ours, theirs, replace(RUNS, licences=GROUPS)) == []


def test_what_this_host_wants_and_nobody_builds_is_named_with_the_command_that_builds_it() -> None:
    found = only(replace(RUNS, unbuilt=("a/b", "a/c:2")), world=("a/c:2",))
    assert found.what.startswith("2 atoms of this host's world are compiled here")
    assert found.what.endswith(": a/b; a/c:2 (also in the world of the binhost: a/c:2)")
    assert found.remedy == "on the binhost, run emerge --buildpkg a/b a/c:2; then publish again"


def test_an_older_toolchain_there_asks_nothing_of_this_host() -> None:
    gcc = {"toolchain": {"sys-devel/gcc": ("13.2", "14.1")}}
    newer, older = (only(replace(RUNS, behind={"sys-devel/gcc": there}), **gcc) for there in (True, False))
    assert newer.remedy.startswith("emerge -1u sys-devel/gcc: ")
    assert older.remedy.startswith("nothing here")
    assert older.remedy.endswith("on the binhost, run emerge -1u sys-devel/gcc")


def test_a_host_without_a_profile_is_told_that_first() -> None:
    found = compare(replace(HERE, arch="", chost="", profile=""), HERE, RUNS)
    assert [(one.grade, one.name) for one in found] == [(Grade.UNUSABLE, "profile")]


def test_installed_packages_are_named_with_the_line_that_takes_the_binary() -> None:
    packages = tuple(PackageUse(f"a/p{n}:0", f"a/p{n}-1", ("x",), ("y",)) for n in range(7))
    found = only(replace(RUNS, packages=packages))
    assert found.what.startswith("7 installed packages are compiled here")
    assert "a/p0:0 -x y" in found.remedy
    assert "and 2 more" in found.remedy


def test_the_worst_comes_first() -> None:
    found = compare(HERE, replace(HERE, chost="other", use=(), use_expand=groups(PYTHON_TARGETS=())), RUNS)
    assert [one.grade for one in found] == [Grade.UNUSABLE, Grade.TRAP, Grade.DIFFERENT]


def test_a_line_of_the_binhosts_profile_counts_until_this_host_says_otherwise() -> None:
    theirs = replace(HERE, package_use={"a/b": ("x", "PYTHON_TARGETS:", "-y"), "*/*": ("z",)})
    follows = replace(RUNS, profile_use={"a/b": ("x", "-python_targets_y")})
    assert compare(HERE, theirs, follows) == []
    assert [one.name for one in compare(replace(HERE, package_use={"a/b": ("-x",)}), theirs, follows)] == ["package.use"]
    assert [one.name for one in compare(HERE, theirs, RUNS)] == ["package.use"]


def test_a_profile_on_top_of_the_binhosts_is_not_another_profile() -> None:
    ours = replace(HERE, profile="fleet:fleet/desk")
    assert compare(ours, HERE, replace(RUNS, profiles=("gentoo:x", HERE.profile, "fleet:fleet/desk"))) == []
    assert [one.name for one in compare(ours, HERE, RUNS)] == ["profile"]
