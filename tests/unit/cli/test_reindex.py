from __future__ import annotations

import time

import pytest

from portage_ext import shown
from portage_ext.cli.reindex import _Bar


def test_short_work_draws_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    bar = _Bar(time.monotonic())
    bar.update(1, 10)
    bar.stop()
    assert capsys.readouterr().err == ""


def test_long_work_draws_one(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    bar = _Bar(time.monotonic() - 5)
    bar.update(3, 10)
    bar.update(7, 10)
    bar.stop()
    told = capsys.readouterr().err
    assert "reading packages" in told
    assert "7/10" in told


def test_no_escape_sequence_reaches_the_terminal() -> None:
    assert shown.line("a\x1b[31m\udcff\n") == "a\\x1b[31m\\udcff "
