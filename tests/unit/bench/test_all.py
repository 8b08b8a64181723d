"""The command that measures all wants: what it runs, how often, and what it makes of a failure."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import all as command
from bench import measure
from bench.kept import Kept
from bench.measure import Command, Figure
from bench.rows import trusted
from bench.rows.sizes import QUICK, Bench, Sizes, absent
from bench.wanted import Want, missed

GOOD = Want("good", "1 s", "2 s", 2.0, 1)


def good(bench: Bench) -> Iterator[Want]:
    yield GOOD


def broken(bench: Bench) -> Iterator[Want]:
    yield Want("before", "1 s", "2 s", 2.0, 1)
    raise RuntimeError("emaint: exit status 1")


def test_a_part_that_fails_is_missed_and_does_not_end_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wants = command.measured(Bench(tmp_path, QUICK), {"broken": broken, "good": good})
    assert [want.what for want in wants] == ["before", "the other rows of broken", "good"]
    assert missed([wants]) == ["the other rows of broken"]
    assert "broken: failed: emaint: exit status 1" in capsys.readouterr().err


def test_an_absent_peer_is_told_and_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "wget" else f"/usr/bin/{name}")
    wants = command.measured(Bench(tmp_path, QUICK), {"fetch": trusted.fetching})
    assert len(missed([wants])) == len(wants) == 2
    assert {want.beside for want in wants} == {"wget is not installed"}
    assert capsys.readouterr().err.count("wget is not installed") == 2
    assert absent("wget", "nginx") == "wget is not installed"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert absent("wget", "nginx") == "wget and nginx are not installed"


def test_given_sizes_take_the_place_of_the_usual_and_of_the_quick_ones() -> None:
    assert command.sizes(command.arguments([])) == Sizes()
    assert command.sizes(command.arguments(["--quick"])) == QUICK
    given = command.sizes(command.arguments(["--quick", "--counts", "50,60", "--runs", "2", "--peer", "1.5"]))
    assert (given.counts, given.runs, given.peer, given.signed) == ((50, 60), 2, 1.5, QUICK.signed)


def test_only_names_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.arguments(["--only", "reindex,nothing"])
    assert "no such part: nothing; there are reindex, change" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("figure", "words", "written", "status"),
    [(2.0, (), True, 0), (0.5, (), True, 1), (0.5, ("--quick",), False, 0), (None, ("--quick",), False, 1)],
)
def test_the_document_has_the_wants_unless_it_was_quick(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    figure: float | None,
    words: tuple[str, ...],
    written: bool,
    status: int,
) -> None:
    file = tmp_path / "figures.md"
    file.write_text("# Figures\n\nText.\n")
    monkeypatch.setattr(command, "PARTS", {"one": lambda bench: iter([Want("one", "1 s", "2 s", figure, 1)])})
    line = ["all", str(tmp_path / "work"), "--document", str(file), "--rounds", "2", *words]
    monkeypatch.setattr(sys, "argv", line)
    assert command.main() == status
    assert ("| one | 1 s | 2 s |" in file.read_text()) == written
    assert ("processors, load" in file.read_text() and "2 rounds" in file.read_text()) == written


def test_a_part_alone_does_not_take_the_place_of_the_whole_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "figures.md"
    file.write_text("# Figures\n\nText.\n")
    monkeypatch.setattr(command, "PARTS", {"one": good, "other": good})
    monkeypatch.setattr(sys, "argv", ["all", str(tmp_path / "work"), "--document", str(file), "--only", "one"])
    assert command.main() == 0
    assert file.read_text() == "# Figures\n\nText.\n"


def test_a_run_that_is_ended_shows_what_it_has_and_goes_on_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []

    def part(name: str, *, ended: bool) -> Callable[[Bench], Iterator[Want]]:
        def rows(bench: Bench) -> Iterator[Want]:
            ran.append(name)
            if ended:
                raise KeyboardInterrupt
            yield Want(name, "1 s", "2 s", 2.0, 1)

        return rows

    def run(*words: str, ended: bool) -> int:
        parts = {"one": part("one", ended=False), "other": part("other", ended=ended)}
        monkeypatch.setattr(command, "PARTS", parts)
        monkeypatch.setattr(sys, "argv", ["all", str(tmp_path), *words])
        return command.main()

    assert run("--continue", ended=False) == 2
    assert "there is no run to continue" in capsys.readouterr().err
    assert run("--rounds", "2", ended=True) == 1
    told = capsys.readouterr().out
    assert "\none " in told
    assert "with --continue it goes on" in told
    assert run("--rounds", "2", "--continue", ended=False) == 0
    assert ran == ["one", "other", "other", "one", "other"]
    told = capsys.readouterr().out
    assert "Continued: measured on" in told
    assert "2 / 2" in told
    assert run("--rounds", "2", "--continue", "--runs", "9", ended=False) == 2
    assert "cannot be continued: the sizes changed since then" in capsys.readouterr().err
    (tmp_path / "measured.json").write_text('{"key": 3}')
    assert run("--continue", ended=False) == 2
    assert "measured.json: cannot be continued" in capsys.readouterr().err


def test_a_part_that_failed_is_measured_again(tmp_path: Path) -> None:
    kept = Kept.begun(tmp_path / "measured.json", QUICK, ["about"])
    kept.put(0, "one", [GOOD, Want("lacking", "", "", None)])
    kept.put(0, "other", [GOOD])
    again = Kept.opened(tmp_path / "measured.json", QUICK)
    assert (again.has(0, "one"), again.has(0, "other"), again.has(1, "other")) == (False, True, False)
    assert again.about == ["about"]


def test_all_commands_run_in_turn_and_a_slow_one_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def once(one: Command) -> measure.Sample:
        ran.append(one.name)
        return (5.0, 4.0, 30.0) if one.name == "slow" else (float(len(ran)), 0.5, 20.0)

    monkeypatch.setattr(measure, "once", once)
    quick, slow = Command("quick", (), {}), Command("slow", (), {}, most=9.0)
    found = measure.interleaved([quick, slow], 3)
    assert ran == ["quick", "slow", "quick", "slow", "quick"]
    assert found["quick"] == Figure(3.0, 0.5, 20.0, 3, (1.0, 5.0), (0.5, 0.5))
    assert found["slow"].runs == 2
    assert str(found["quick"]) == "3 s (1 to 5), CPU 0.5 (0.5 to 0.5), 3 runs"
    assert str(Figure.of([(5.0, 4.0, 30.0)])) == "5 s, CPU 4, 1 run"
    ran.clear()
    assert measure.compare([quick], 1)["quick"].spread == (2.0, 2.0)  # the first one only warms the caches


def test_a_command_that_fails_is_no_figure() -> None:
    with pytest.raises(RuntimeError, match="exit status 1"):
        measure.once(Command("false", ("false",), {"PATH": "/usr/bin:/bin"}))
