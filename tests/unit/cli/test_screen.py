from __future__ import annotations

import io
import os
import pty

import pytest

from portage_ext.cli.screen import Screen


def test_a_table_fits_80_columns_and_goes_on_below_its_last_column() -> None:
    out = io.StringIO()
    screen = Screen(out)
    screen.table([("error", "disk", "a sentence that goes on and on " * 6), ("ok", "gpg", "there")], ("red",))
    lines = out.getvalue().splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert lines[1].startswith(" " * len("error  disk  ") + "sentence")
    assert lines[-1] == "ok     gpg   there"


def test_a_word_to_copy_is_never_broken() -> None:
    out = io.StringIO()
    Screen(out).text("/a/very/long/path" * 8, first="  do: ", indent="      ")
    assert "/a/very/long/path" * 8 in out.getvalue()


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colour_on_a_terminal_that_may_be_coloured(
    variables: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TERM", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    primary, secondary = pty.openpty()
    try:
        with open(secondary, "w") as terminal:
            assert Screen(terminal).coloured is coloured
    finally:
        os.close(primary)


def test_no_colour_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = io.StringIO()
    screen = Screen(out)
    assert screen.paint("text", "red") == "text"


def test_a_pipe_is_coloured_when_that_is_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert Screen(io.StringIO()).paint("text", "red") == "\033[31mtext\033[0m"


def test_a_table_on_a_narrow_terminal_goes_on_below_its_columns() -> None:
    out = io.StringIO()
    screen = Screen(out)
    screen.width = 60
    rows = [
        ("production", "release 41", "1234 packages", "until 2026-11-20", "published, in /srv/binhost/packages"),
        *[("", "", "", "", "more")],
    ]
    screen.table(rows, ("blue",), indent="  ")
    assert out.getvalue().splitlines() == [
        "  production  release 41  1234 packages  until 2026-11-20",
        "      published, in /srv/binhost/packages",
        "      more",
    ]
