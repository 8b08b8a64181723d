"""A copy is refused for what a build sees of the host, and not for what cannot be equal on another machine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from portage_ext.builds.cages.copying import differing
from portage_ext.targets.capture import Repository
from tests.unit.targets.examples import target

HOST = target(
    builder=replace(target().builder, march=("-march=znver4",), cpu_level=4),
    make_conf={"CFLAGS": "-O2 -march=native", "CPU_FLAGS_X86": "sse2"},
)


@pytest.mark.parametrize(
    "changed",
    [
        {"taken": 7},
        {"builder": replace(HOST.builder, march=("-march=skylake",), cpu_level=3)},
        {"make_conf": {"CFLAGS": "-O2 -march=znver4", "CPU_FLAGS_X86": "sse2"}},
        {"repositories": (Repository("tiny", "/var/db/repos/tiny", (), 0, "git", "https://other.invalid", "b" * 40),)},
        {"files": {**HOST.files, "var/lib/portage/world": b""}},
    ],
)
def test_what_cannot_be_equal_or_does_not_matter_is_no_difference(changed: dict[str, Any]) -> None:
    assert not differing(HOST, replace(HOST, **changed))


@pytest.mark.parametrize(
    ("changed", "area", "name"),
    [
        ({"make_conf": {"CFLAGS": "-O3 -march=native", "CPU_FLAGS_X86": "sse2"}}, "make.conf", "CFLAGS"),
        ({"installed": ()}, "installed", "dev-libs/libtiny:0"),
        ({"installed": (replace(HOST.installed[0], contents="1" * 64),)}, "installed", "dev-libs/libtiny:0"),
        ({"files": {}}, "file", "etc/portage/package.use/foo"),
        ({"builder": replace(HOST.builder, chost="other-pc-linux-gnu")}, "builder", "chost"),
    ],
)
def test_what_a_build_sees_is_a_difference(changed: dict[str, Any], area: str, name: str) -> None:
    assert (area, name) in [(one.area, one.name) for one in differing(HOST, replace(HOST, **changed))]
