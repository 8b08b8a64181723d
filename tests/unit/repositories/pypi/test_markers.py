"""Conditions of dependencies: for whatever marker, the Pythons for which packaging says that it holds, and no others."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.requirements import Requirement

from portage_ext.repositories.pypi.written.dependencies import Provider, lines
from portage_ext.repositories.pypi.written.requirements import needs
from portage_ext.repositories.pypi.written.targets import DEFAULT

MACHINES = ("x86_64", "aarch64", "i686", "riscv64", "ppc64le")
COMPARED = st.sampled_from(["<", "<=", ">", ">=", "==", "!=", "~="])
PYTHONS = st.sampled_from(["3.6", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15"])
ONE = st.one_of(
    st.builds('python_version {} "{}"'.format, COMPARED, PYTHONS),
    st.builds('python_full_version {} "{}.{}"'.format, COMPARED, PYTHONS, st.sampled_from(["0", "3", "99"])),
    st.builds('python_version {} "3.11, 3.13"'.format, st.sampled_from(["in", "not in"])),
    st.builds('{} {} "{}"'.format, st.sampled_from(["sys_platform", "platform_system", "os_name"]),
              st.sampled_from(["==", "!="]), st.sampled_from(["linux", "win32", "Linux", "Windows", "posix", "nt"])),
    st.builds('platform_machine {} "{}"'.format, st.sampled_from(["==", "!="]), st.sampled_from([*MACHINES, "arm64"])),
    st.builds('implementation_name {} "{}"'.format, st.sampled_from(["==", "!="]), st.sampled_from(["cpython", "pypy"])),
    st.just('extra == "colour"'),
)  # fmt: skip
MARKERS = st.recursive(
    ONE, lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner), max_leaves=5
)


def holds(marker: str, target: str, extra: str) -> bool:
    """What packaging says of a CPython on Linux, on some machine and in some release of it."""
    minor = target.removeprefix("python3_")
    return any(
        Marker(marker).evaluate(
            {
                "implementation_name": "cpython",
                "implementation_version": full,
                "os_name": "posix",
                "platform_machine": machine,
                "platform_python_implementation": "CPython",
                "platform_release": "6.12.0",
                "platform_system": "Linux",
                "platform_version": "#1 SMP",
                "python_full_version": full,
                "python_version": f"3.{minor}",
                "sys_platform": "linux",
                "extra": extra,
            }
        )
        for machine in MACHINES
        for full in (f"3.{minor}.0", f"3.{minor}.99")
    )


@given(MARKERS)
def test_a_dependency_holds_where_packaging_says_so(marker: str) -> None:
    found = needs([Requirement(f"lib; {marker}")], DEFAULT, ("colour",), "project").needs
    always = tuple(target for target in DEFAULT if holds(marker, target, ""))
    with_extra = tuple(target for target in DEFAULT if holds(marker, target, "colour") and target not in always)
    assert {one.extra: one.targets for one in found} == {
        extra: some for extra, some in (("", always), ("colour", with_extra)) if some
    }
    # And the ebuild says the same of it.
    text = "\n".join(lines(found, DEFAULT, lambda project: Provider("dev-python/lib")))
    for extra, some in (("", always), ("colour", with_extra)):
        part = text.partition("colour? (")[2] if extra else text.partition("colour? (")[0]
        if not some:
            assert "dev-python/lib" not in part
        elif some != DEFAULT:
            condition = re.search(r"gen_cond_dep '\s*dev-python/lib\[[^]]*\]\s*'((?: 3\.[0-9]+)+)\)", part)
            assert condition is not None, text
            assert [f"python{word.replace('.', '_')}" for word in condition[1].split()] == list(some)
        else:
            assert "gen_cond_dep" not in part
            assert "dev-python/lib[${PYTHON_USEDEP}]" in part
