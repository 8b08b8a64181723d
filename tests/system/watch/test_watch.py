"""A running emerge seen from elsewhere: by another process, by another user, in a terminal; and the graph of a request."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.watch.building import ALL, EDGES, NEEDS, TWO, diamond, emerge, go, variables
from tests.testkit import portages
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root
from tests.testkit.terminal import Terminal

NOBODY = 65534


def ours(root: Root, *words: str, as_user: int | None = None) -> Outcome:
    return root.run(str(root.environment.python), "-m", "portage_ext.cli.main", *words, as_user=as_user)


def seen(root: Root) -> dict[str, Any]:
    (found,) = json.loads(ours(root, "watch", "--json").ok().stdout)["emerges"]
    return dict(found)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    made: list[Terminal] = []
    yield made
    for one in made:
        one.close()


def waiting(root: Root, terminals: list[Terminal], what: str, *arguments: str, names: set[str]) -> Terminal:
    """An emerge of ``what`` that draws nothing, and works on these packages."""
    terminal = emerge(root, what, *arguments, graph="0")
    terminals.append(terminal)
    for name in NEEDS:
        if name not in names and all(one not in names for one in NEEDS[name].split()):
            go(root, name)
    logs = root.path / "var/log/portage"
    terminal.until(lambda screen: all(list(logs.glob(f"*{name}-1.0*")) for name in names))
    return terminal


@pytest.mark.parametrize("version", portages.played("COMPAT_PORTAGES"))
def test_another_process_sees_the_plan_and_what_runs(work: Path, terminals: list[Terminal], version: str) -> None:
    root = diamond(work, version)
    terminal = waiting(root, terminals, ALL, "--jobs=3", names={"b", "d"})
    found: dict[str, Any] = {}
    while {one["cpv"][9] for one in found.get("packages", []) if one.get("phase") == "compile"} != {"b", "d"}:
        terminal._read()
        found = seen(root)
    names = [one["cpv"][9] for one in found["packages"]]
    assert (found["total"], found["done"], found["failed"], found["jobs"]) == (12, 1, 0, 3)
    assert {(name, names[below]) for name, one in zip(names, found["packages"], strict=True) for below in one["needs"]} == EDGES
    (log,) = {one["log"] for one in found["packages"] if one["cpv"] == "dev-libs/b-1.0"}
    assert Path(log).is_file()
    if os.getuid() == 0:
        # Whoever may read the files, which are as Portage's are, may watch.
        text = ours(root, "watch", str(found["pid"]), "--once", as_user=NOBODY).ok().stdout
        assert "▶ b-1.0 compile" in text
        assert text.startswith(f"emerge[{found['pid']}]\n1 of 12 done")
    assert "no emerge with process id 1 " in ours(root, "watch", "1", "--once").failed().stderr
    terminal.kill(signal.SIGINT)
    # Portage waits for the builds that it has begun.
    go(root)
    assert terminal.finish() == 128 + signal.SIGINT
    assert "no emerge that reports" in ours(root, "watch", "--once").failed().stderr


@pytest.mark.slow
def test_a_single_job_that_shows_its_build_can_be_watched_too(work: Path, terminals: list[Terminal]) -> None:
    root = diamond(work)
    terminal = waiting(root, terminals, TWO, "--jobs=1", names={"a"})
    while not any(one.get("phase") == "compile" for one in seen(root)["packages"]):
        terminal._read()
    watch = Terminal(root, str(root.environment.python), "-m", "portage_ext.cli.main", "watch", columns=80, lines=20)
    terminals.append(watch)
    watch.until(lambda screen: any("▶ a-1.0 compile" in line for line in screen.text()))
    watch.type("/b-1.0\r")
    watch.until(lambda screen: ">  dev-libs/b-1.0" in screen.text())
    watch.type("\033[H\r")
    watch.until(lambda screen: any("Source unpacked" in line or "Compiling" in line for line in screen.text()))
    watch.type("q")
    watch.type("q")
    assert watch.finish() == 0
    assert watch.same_modes()
    interrupted = Terminal(root, str(root.environment.python), "-m", "portage_ext.cli.main", "watch", columns=20, lines=4)
    terminals.append(interrupted)
    interrupted.until(lambda screen: any("of 2 done" in line for line in screen.text()))
    interrupted.kill(signal.SIGTERM)
    interrupted.finish()
    assert interrupted.same_modes()
    go(root)
    assert terminal.finish() == 0


@pytest.mark.slow
def test_who_wants_no_files_has_none(work: Path, terminals: list[Terminal]) -> None:
    root = diamond(work)
    root.etc("portage-ext.toml", "[watch]\npublish = false\n")
    terminal = waiting(root, terminals, TWO, "--jobs=3", names={"a"})
    go(root)
    assert terminal.finish() == 0
    assert not (root.path / "run/portage").exists()


def test_the_graph_of_a_request(work: Path) -> None:
    root = diamond(work)
    go(root)
    root.run("emerge", "--oneshot", "--buildpkg", "dev-libs/b", **variables()).ok()
    words = ("graph", ALL, "dev-libs/b", "--", "--usepkg", "--emptytree")
    text = ours(root, *words).ok().stdout
    assert "├─ dev-libs/b-1.0  binary" in text
    assert "12 packages, 2 of them binaries. The longest chain has 7: dev-libs/b-1.0 ▸" in text
    found = json.loads(ours(root, "graph", "--format", "json", *words[1:]).ok().stdout)
    names = [one["cpv"][9] for one in found["packages"]]
    # Nothing of DEPEND is needed for a binary.
    drawn = {(name, names[below]) for name, one in zip(names, found["packages"], strict=True) for below in one["needs"]}
    assert drawn == EDGES - {("b", "a")}
    assert ours(root, "graph", "--depth", "1", "--format", "dot", ALL).ok().stdout.startswith("digraph")
