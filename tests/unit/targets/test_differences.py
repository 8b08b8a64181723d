"""Each difference of two targets once, by the name that a person changes."""

from __future__ import annotations

from dataclasses import replace

from portage_ext.targets.differences import Difference, differences
from tests.unit.targets.examples import target


def test_the_same_has_none() -> None:
    assert differences(target(), target(taken=1)) == []


def test_an_update_is_one_difference() -> None:
    (old,) = target().installed
    new = replace(old, cpv="dev-libs/libtiny-1.0-r1", slot="0/2", contents="1" * 64)
    assert differences(target(), target(installed=(new,))) == [
        Difference(
            "installed",
            "dev-libs/libtiny:0",
            "1.0-2 :0/1 USE='foo' files 000000000000",
            "1.0-r1-2 :0/2 USE='foo' files 111111111111",
        )
    ]


def test_every_area() -> None:
    other = target(
        builder=replace(target().builder, cflags=("-O3",), toolchain={"sys-devel/gcc": ("14",)}),
        make_conf={"USE": "foo"},
        env_files={"o3": {"CFLAGS": "-Os"}},
        profiles=("tiny:base",),
        repositories=(),
        files={"etc/portage/package.use/foo": b"app-misc/foo -bar\n"},
        installed=(),
    )
    found = {(one.area, one.name): (one.first, one.second) for one in differences(target(), other)}
    assert found == {
        ("builder", "cflags"): ("-O2 -march=x86-64-v2", "-O3"),
        ("builder", "toolchain sys-devel/gcc"): ("", "14"),
        ("make.conf", "CFLAGS"): ("-O2 -march=x86-64-v2", ""),
        ("make.conf", "CPU_FLAGS_X86"): ("sse2", ""),
        ("make.conf", "USE"): ("foo -bar", "foo"),
        ("env", "o3: CFLAGS"): ("-O3", "-Os"),
        ("profile", "tiny:default/linux/amd64"): ("there", ""),
        ("repository", "tiny"): ("a" * 12, ""),
        ("file", "etc/portage/package.use/foo"): ("app-misc/foo bar\n", "app-misc/foo -bar\n"),
        ("file", "var/lib/portage/world"): ("app-misc/foo\n", ""),
        ("installed", "dev-libs/libtiny:0"): ("1.0-2 :0/1 USE='foo' files 000000000000", ""),
    }
