"""The answers of `portage-ext cpu` on the machine that the tests run on."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from pathlib import Path

import pytest

from portage_ext.host import cpu as asking
from portage_ext.policy.cpu import Fit
from tests.testkit.binhost import Binhost
from tests.testkit.roots import Root

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


def test_this_host_is_described_in_80_columns(client: Root) -> None:
    text = client.run("portage-ext", "cpu").ok().stdout
    assert "-march=native" in text
    assert all(len(line) <= 80 for line in text.splitlines()), text
    told = json.loads(client.run("portage-ext", "cpu", "--json").ok().stdout)
    assert told["native"][0].startswith("-march=")
    assert told["level"] in (1, 2, 3, 4)
    assert {"sse", "sse2", "mmx"} <= set(told["cpu_flags_x86"])


def test_the_status_says_whether_all_that_was_asked_about_runs(client: Root) -> None:
    assert client.run("portage-ext", "cpu", "--march", "x86-64").status == 0
    unknown = client.run("portage-ext", "cpu", "--march", "x86-64", "--march", "pdp11")
    assert (unknown.status, "not known: no compiler on this host knows" in unknown.stdout) == (3, True)
    foreign = client.run("portage-ext", "cpu", "--flags=-O2 -march=native -pipe")
    assert (foreign.status, "not known: it means the CPU of the host that builds" in foreign.stdout) == (3, True)
    asked = json.loads(client.run("portage-ext", "cpu", "--flags=-O2 -march=x86-64", "--json").ok().stdout)["asked"]
    assert asked == [{"flags": "-O2 -march=x86-64", "fit": "runs", "lacking": []}]


def test_words_that_are_no_choice_of_instructions_never_reach_the_compiler(client: Root) -> None:
    outcome = client.run("portage-ext", "cpu", "--flags=-fplugin=/etc/passwd @/etc/passwd -march=x86-64")
    assert outcome.status == 0, outcome
    assert not outcome.stderr


def test_a_package_and_a_builder_are_asked_about_by_their_files(client: Root, binhost: Binhost) -> None:
    package = next(binhost.pkgdir.glob("app-misc/hello/*.gpkg.tar"))
    assert client.run("portage-ext", "cpu", "--of", str(package)).status == 0
    own = client.path / "builder.json"
    own.write_text(client.run("portage-ext", "compare", "--print").ok().stdout)
    assert client.run("portage-ext", "cpu", "--of", str(own)).status == 0
    document = json.loads(own.read_text()) | {"cpu_needs": ["sse2", "xop", "fma4", "avx512er"]}
    own.write_text(json.dumps(document))
    beyond = client.run("portage-ext", "cpu", "--of", str(own))
    assert (beyond.status, "does not run" in beyond.stdout) == (1, True)  # no CPU has all of these
    assert client.run("portage-ext", "cpu", "--of", "/dev/null").failed().status == 1


def known_names() -> list[str]:
    done = subprocess.run(["gcc", "-march=?", "-E", "-x", "c", os.devnull], capture_output=True, text=True, check=False)
    listed = re.search(r"valid arguments to .-march=. switch are: ([^;\n]*)", done.stderr)
    assert listed, done.stderr
    return [name for name in listed[1].split() if name != "native"]


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
