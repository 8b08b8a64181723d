"""The answers of `portage-ext cpu` on the machine that the tests run on."""

from __future__ import annotations

import json
import platform

import pytest

from tests.testkit.binhost import Binhost
from tests.testkit.roots import Root

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="about the levels and names of x86-64")


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
