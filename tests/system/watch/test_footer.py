"""The graph below emerge's own lines, played by real emerge in a terminal: true, within its third, and gone without a trace."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.watch.building import ALL, EDGES, TWO, diamond, emerge, go
from tests.testkit import portages
from tests.testkit.environments import NEWEST
from tests.testkit.roots import Root
from tests.testkit.terminal import Screen, Terminal

_PROGRESS = re.compile(r"^\d+ of \d+ done")
_CENTRE = re.compile(r"▶ (\w)-1\.0 ")
_LEFT = re.compile(r"(\w)(?: [✓✗▶])? ─[─┬┤┘]")
_RIGHT = re.compile(r"▸ (\w)(?: [✓✗▶])?(?: \+\d+)?$")
_LOAD = re.compile(r" *Load avg: .*$")
_TOOK = re.compile(r"took [\d.]+ s")
_PLACE = re.compile(r"\(\d+ of ")
"""Of two packages that are built at once, now one and now the other is counted first."""


def footer(screen: Screen) -> list[str]:
    """The lines of the footer on the screen; none while it is away."""
    lines = screen.text()
    start = next((number for number, line in enumerate(lines) if _PROGRESS.match(line)), len(lines))
    return [line for line in lines[start:] if line]


def edges(lines: list[str]) -> set[tuple[str, str]]:
    """The edges that a footer of three columns shows, as pairs: who needs whom."""
    found = set()
    current = ""
    for line in lines[1:]:
        centre = list(_CENTRE.finditer(line))
        current = centre[-1][1] if centre else current
        if left := _LEFT.search(line):
            found.add((current, left[1]))
        if right := _RIGHT.search(line):
            found.add((right[1], current))
    return found


def running(lines: list[str]) -> set[str]:
    return {list(_CENTRE.finditer(line))[-1][1] for line in lines[1:] if _CENTRE.search(line)}


class Frames:
    """Looks at every screen: a footer is never too high, and every edge that it shows is one."""

    def __init__(self) -> None:
        self.edges: set[tuple[str, str]] = set()

    def __call__(self, screen: Screen) -> None:
        lines = footer(screen)
        assert len(lines) <= screen.lines // 3, lines
        assert max(map(len, lines), default=0) < screen.columns
        if screen.columns >= 60:
            shown = edges(lines)
            assert shown <= EDGES, (shown - EDGES, lines)
            self.edges |= shown


@pytest.fixture
def root(work: Path) -> Root:
    return diamond(work)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    made: list[Terminal] = []
    yield made
    for one in made:
        one.close()


def stays(terminal: Terminal) -> list[str]:
    """What can be scrolled back to, without what differs from run to run."""
    return [_PLACE.sub("(N of ", _TOOK.sub("took", _LOAD.sub("", line))) for line in terminal.screen.whole()]


@pytest.mark.parametrize(
    "asked",
    [("dev-libs/c", "dev-libs/f"), pytest.param((ALL,), marks=pytest.mark.slow)],
    ids=["five packages", "twelve packages"],
)
@pytest.mark.parametrize("version", portages.played("COMPAT_PORTAGES"))
def test_a_diamond_is_shown_truly_and_leaves_what_emerge_leaves(
    work: Path, terminals: list[Terminal], version: str, asked: tuple[str, ...]
) -> None:
    root = diamond(work, version)
    frames = Frames()
    with_graph = emerge(root, *asked, "--jobs=3")
    terminals.append(with_graph)
    with_graph._frame = frames
    with_graph.until(lambda screen: running(footer(screen)) == {"a"})
    go(root, "a")
    # d needs a alone, and c waits for b.
    with_graph.until(lambda screen: running(footer(screen)) == {"b", "d"})
    assert {("b", "a"), ("c", "b"), ("d", "a"), ("f", "d")} <= frames.edges
    go(root)
    assert with_graph.finish() == 0
    assert not edges(footer(with_graph.screen))
    assert with_graph.same_modes()
    assert frames.edges <= EDGES - {("c", "a"), ("e", "b")}
    assert not list((root.path / "run/portage").iterdir())

    if version != NEWEST:
        return
    shutil.rmtree(root.path / "var/db/pkg")
    plain = emerge(root, *asked, "--jobs=3", graph="0")
    terminals.append(plain)
    assert plain.finish() == 0
    # Which of two that run at once is done first differs from run to run; each line is there as often.
    assert sorted(stays(with_graph)) == sorted(stays(plain))
    assert not any("▶" in line or "─" in line for line in stays(with_graph))


def test_a_failing_package_is_told_and_emerge_ends_as_it_would(root: Root, terminals: list[Terminal]) -> None:
    (root.path / "tmp/fail-b").touch()
    terminal = emerge(root, "dev-libs/d", "dev-libs/b", "--jobs=3", "--keep-going", columns=100, lines=30)
    terminals.append(terminal)
    go(root, "a", "b")
    terminal.until(lambda screen: any("failed" in line for line in footer(screen)))
    go(root)
    assert terminal.finish() == 1
    assert terminal.same_modes()
    assert not any("▶" in line for line in stays(terminal))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_emerge_that_is_ended_leaves_the_terminal_usable(
    root: Root, terminals: list[Terminal], number: signal.Signals
) -> None:
    terminal = emerge(root, TWO, "--jobs=3")
    terminals.append(terminal)
    terminal.until(lambda screen: running(footer(screen)) == {"a"})
    terminal.kill(number)
    if number is signal.SIGINT:
        # Portage tells its builds to end, and ends when they have: these do at once.
        go(root)
    status = terminal.finish()
    assert terminal.same_modes()
    directory = root.path / "run/portage"
    if number is signal.SIGINT:
        assert status == 130
        assert "of 2 done" not in terminal.raw.partition("Exiting on signal")[2]
        assert not any("▶" in line for line in stays(terminal))
        assert not list(directory.iterdir())
    else:
        # Nobody was left to take it away. The next emerge does that, and nobody takes it for a running one before.
        assert len(list(directory.iterdir())) == 2
        watch = root.run(str(root.environment.python), "-m", "portage_ext.cli.main", "watch", "--once").failed()
        assert "no emerge that reports what it does is running" in watch.stderr
        go(root)
        root.emerge("--oneshot", TWO).ok()
        assert not list(directory.iterdir())


@pytest.mark.slow
def test_a_window_that_changes_its_size(root: Root, terminals: list[Terminal]) -> None:
    terminal = emerge(root, TWO, "--jobs=3", columns=100, lines=30)
    terminals.append(terminal)
    terminal._frame = Frames()
    terminal.until(lambda screen: running(footer(screen)) == {"a"})
    terminal.resize(40, 12)
    terminal.until(lambda screen: "  for b" in screen.text())
    terminal.resize(200, 50)
    terminal.until(lambda screen: ("b", "a") in edges(footer(screen)))
    terminal.resize(12, 2)
    go(root)
    assert terminal.finish() == 0


@pytest.mark.parametrize(
    ("arguments", "more"),
    [
        (("--jobs=3", "--quiet"), {}),
        pytest.param(("--jobs=1",), {}, marks=pytest.mark.slow),
        pytest.param(("--jobs=3",), {"TERM": "dumb"}, marks=pytest.mark.slow),
    ],
)
def test_where_nothing_is_drawn(
    root: Root, terminals: list[Terminal], arguments: tuple[str, ...], more: dict[str, str]
) -> None:
    go(root)
    terminal = emerge(root, TWO, *arguments, **more)
    terminals.append(terminal)
    assert terminal.finish() == 0
    assert "of 2 done" not in terminal.raw


@pytest.mark.slow
def test_ascii_and_no_colour(root: Root, terminals: list[Terminal]) -> None:
    terminal = emerge(root, TWO, "--jobs=3", LC_ALL="C", NOCOLOR="", NO_COLOR="1")
    terminals.append(terminal)
    terminal.until(lambda screen: any("* a-1.0" in line for line in screen.text()))
    assert terminal.raw.isascii()
    go(root)
    assert terminal.finish() == 0


def test_an_error_of_ours_is_one_line_and_emerge_goes_on(root: Root, terminals: list[Terminal], work: Path) -> None:
    """What fails is put in by sitecustomize, since nothing here is known to fail."""
    (work / "broken").mkdir()
    (work / "broken/sitecustomize.py").write_text(
        "import portage_ext.graph.picture as picture\n"
        "def lines(self, *arguments):\n    raise RuntimeError('half a picture')\n"
        "picture.Picture.lines = lines\n"
    )
    go(root)
    terminal = emerge(root, TWO, "--jobs=3", PYTHONPATH=str(work / "broken"))
    terminals.append(terminal)
    assert terminal.finish() == 0
    told = [line for line in terminal.screen.whole() if "half a picture" in line]
    assert len(told) == 1, told
