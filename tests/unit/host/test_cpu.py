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

PROGRAM = """
#include <stdio.h>
volatile double a[64], b[64]; double x[64], y[64], z[64]; unsigned long u = 0x123456789UL; int n = 64;
int main(void) {
    for (int i = 0; i < n; i++) { x[i] = a[i] + i; y[i] = b[i] + 2 * i; }
    for (int i = 0; i < n; i++) z[i] += x[i] * y[i] + __builtin_floor(x[i]);
    unsigned long k = __builtin_popcountl(u) + __builtin_clzl(u) + __builtin_ctzl(u) + __builtin_bswap64(u) + (u & (u - 1));
    printf("%g %lu\\n", z[3], k);
    return 0;
}
"""


def macros(*flags: str) -> set[str]:
    done = subprocess.run(["gcc", *flags, "-dM", "-E", "-x", "c", os.devnull], capture_output=True, text=True, check=True)
    # Names of the CPU that is tuned for are no features.
    return {line for line in done.stdout.splitlines() if re.match(r"#define __[A-Z0-9_]+__ ", line)}


def known_names() -> list[str]:
    done = subprocess.run(["gcc", "-march=?", "-E", "-x", "c", os.devnull], capture_output=True, text=True, check=False)
    listed = re.search(r"valid arguments to .-march=. switch are: ([^;\n]*)", done.stderr)
    assert listed, done.stderr
    return [name for name in listed[1].split() if name != "native"]


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


def test_what_is_judged_to_run_does_run(tmp_path: Path) -> None:
    source = tmp_path / "program.c"
    source.write_text(PROGRAM)
    verdicts = {}
    for name in known_names():
        judged = asking.judge((f"-march={name}",))
        program = tmp_path / name
        command = ["gcc", "-O3", f"-march={name}", str(source), "-o", str(program), "-lm"]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            assert judged.fit is Fit.UNKNOWN, name  # such as -march=i686 for a compiler of 64 bits
            continue
        ended = subprocess.run([program], capture_output=True, check=False).returncode
        verdicts[name] = (judged.fit, ended)
        if judged.fit in (Fit.RUNS, Fit.MOSTLY):
            assert ended == 0, f"{name} was judged to run"
    assert len(verdicts) > 20
    assert {fit for fit, _ in verdicts.values()} <= {Fit.RUNS, Fit.MOSTLY, Fit.CANNOT}


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
