"""The table of commands: every module is in it, help shows what people type, and another package can bring a command."""

from __future__ import annotations

import argparse
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

import portage_ext.cli
from portage_ext.cli import commands, main
from portage_ext.cli.commands import COMMANDS, GROUPS, INTERNAL


class Foreign:
    """A command as another package would bring it."""

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("what")

    def run(self, options: argparse.Namespace) -> int:
        print("foreign", options.what)
        return 3


def test_every_module_with_arguments_and_run_is_a_command() -> None:
    found = {
        path.stem.replace("_", "-")
        for path in Path(portage_ext.cli.__file__).parent.glob("*.py")
        if "\ndef arguments(" in (text := path.read_text()) and "\ndef run(" in text
    }
    assert found == COMMANDS.keys()


def test_help_shows_what_people_type_in_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.main(["--help"])
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert all(f"\n{title}:\n" in shown for title in GROUPS if title != INTERNAL)
    assert all((f"\n  {name} " in shown) == (name not in GROUPS[INTERNAL]) for name in COMMANDS)


def test_a_command_of_another_package(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    point = EntryPoint("else", f"{__name__}:Foreign", commands.ENTRY_POINTS)
    monkeypatch.setattr(EntryPoint, "load", lambda self: Foreign())

    def entry_points(**select: Any) -> EntryPoints:
        return EntryPoints((point,)).select(**select)

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    assert main.main(["else", "there"]) == 3
    assert capsys.readouterr().out == "foreign there\n"


def test_an_unknown_command_is_named_with_what_may_be_meant(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["pubish"])
    assert ended.value.code == 2
    assert "there is no command 'pubish' (did you mean 'publish'?)" in capsys.readouterr().err
