"""Against the compiler and the CPU of the machine that the tests run on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

import pytest

from portage_ext.host import cpu as asking
from portage_ext.policy import cpu
from portage_ext.policy.cpu import Fit

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="about the levels and names of x86-64")


def macros(*flags: str) -> set[str]:
    done = subprocess.run(["gcc", *flags, "-dM", "-E", "-x", "c", os.devnull], capture_output=True, text=True, check=True)
    # Names of the CPU that is tuned for are no features.
    return {line for line in done.stdout.splitlines() if re.match(r"#define __[A-Z0-9_]+__ ", line)}


def test_the_short_flags_mean_exactly_native() -> None:
    native = asking.native()
    assert native.flags[0].startswith("-march=")
    assert macros(*native.flags) == macros("-march=native")
    assert len(native.flags) < len(native.every)


def test_what_is_native_runs_and_so_does_every_level_up_to_this_cpus() -> None:
    assert asking.judge(asking.native().flags).fit is Fit.RUNS
    assert asking.judge(("-march=native",), ours=True).fit is Fit.RUNS
    level = asking.here().level
    assert level is not None
    for number in range(1, 5):
        name = "x86-64" if number == 1 else f"x86-64-v{number}"
        assert (asking.judge((f"-march={name}",)).fit is Fit.RUNS) == (number <= level)


def test_native_of_another_host_is_not_known() -> None:
    assert asking.judge(("-march=native", "-O2")).fit is Fit.UNKNOWN


@pytest.mark.parametrize("name", ["x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"])
def test_the_table_of_levels_agrees_with_the_compiler(name: str) -> None:
    asked, table = asking.needs((f"-march={name}",)), cpu.needs_of_level(name)
    assert asked is not None
    assert table is not None
    # abm is another name of lzcnt; fxsr and xsave are state of the system, which gcc counts at another level.
    assert asked.features - {"abm", "xsave"} == table.features - {"abm", "xsave"}
    assert not asked.unjudged


def test_without_a_compiler_levels_are_known_and_nothing_is_guessed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for function in (asking._ask, asking.here, asking.native):
        function.cache_clear()
    try:
        assert asking.judge(("-march=x86-64", "-O2")).fit is Fit.RUNS
        assert asking.judge(("-march=znver4",)).fit is Fit.UNKNOWN
        assert asking.native().flags[0].startswith("-march=x86-64")
    finally:
        for function in (asking._ask, asking.here, asking.native):
            function.cache_clear()
