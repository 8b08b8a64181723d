"""A command that fails in a way that nobody foresaw: an unknown Portage is named, and with a known one it is our defect."""

from __future__ import annotations

from typing import Any

import pytest

from portage_ext.cli import main
from portage_ext.emerge import parts
from portage_ext.explain import supported


class Failing:
    def arguments(self, parser: Any) -> None: ...

    def run(self, options: Any) -> int:
        raise AttributeError("'BinRepoConfig' object has no attribute 'location'")


@pytest.fixture(autouse=True)
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "load", lambda name: Failing())


def test_an_unknown_portage_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(supported, "version", lambda: "3.0.60")
    assert main.main(["status"]) == 1
    said, known = capsys.readouterr().err.splitlines()
    assert said == "portage-ext: AttributeError: 'BinRepoConfig' object has no attribute 'location'"
    assert "not tested with 3.0.60" in known
    assert "emerge -1u app-portage/portage-ext sys-apps/portage" in known


def test_what_is_off_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(supported, "losses", lambda: iter([supported.Loss("x is off", ("it takes y",), essential=True)]))
    assert main.main(["status"]) == 1
    assert "x is off: it takes y; `portage-ext check`" in capsys.readouterr().err


def test_with_a_known_portage_it_is_a_defect_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supported, "version", lambda: supported.TESTED[-1])
    with pytest.raises(AttributeError):
        main.main(["status"])


def test_an_error_that_nobody_foresaw_is_shown_without_what_a_terminal_obeys(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_: object) -> int:
        raise RuntimeError("of a server: \x1b[31m http://me:secret@host/")

    monkeypatch.setattr(main, "_run", fails)
    monkeypatch.setattr(main, "_strange_portage", lambda: "this Portage is not known")
    assert main.main([]) == 1
    said = capsys.readouterr().err
    assert said.replace("\n", "").isprintable()
    assert "secret" not in said


def test_a_part_that_only_saves_time_does_not_stop_the_installer(monkeypatch: pytest.MonkeyPatch) -> None:
    slower = supported.Loss("it is slower", ("spawn takes y",), essential=False)
    monkeypatch.setattr(supported, "losses", lambda: iter([slower]))
    monkeypatch.setattr(supported, "misplaced", lambda: None)
    assert supported.problem() is None
    assert next(supported.remarks()) == "it is slower: spawn takes y"
    assert [part.name for part in parts.PARTS if not part.essential] == ["forked_fetch", "quick_gzip"]
