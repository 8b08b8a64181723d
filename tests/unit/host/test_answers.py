"""An answer of a compiler is taken from memory only for the same compiler, and only from a file that nobody else can write."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.host import cpu
from portage_ext.host.answers import Answers, identity


@pytest.fixture
def gcc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that is no script, named like a compiler and found on PATH; it says nothing and succeeds."""
    place = tmp_path / "bin"
    place.mkdir()
    program = place / "gcc"
    shutil.copy("/bin/true", program)
    monkeypatch.setenv("PATH", str(place))
    return program


def test_a_compiler_is_the_same_until_its_file_changes(gcc: Path) -> None:
    first = identity("gcc")
    assert first is not None
    assert identity("gcc") == first
    os.utime(gcc, ns=(1, 1))
    assert identity("gcc") not in (None, first)


def test_another_cpu_is_another_identity(gcc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = identity("gcc")
    real = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda self, **named: real(self, **named).replace("flags", "flags\t\t: avx9000\nflags", 1)
    )
    assert identity("gcc") != first


@pytest.mark.parametrize("kind", ["script", "ccache", "absent"])
def test_what_may_run_another_compiler_is_not_remembered(gcc: Path, kind: str) -> None:
    if kind == "script":
        gcc.write_text("#!/bin/sh\nexec other-gcc\n")
    elif kind == "ccache":
        gcc.rename(gcc.with_name("ccache"))
        gcc.symlink_to("ccache")
    else:
        gcc.unlink()
    assert identity("gcc") is None


def test_answers_are_kept_and_found_again(tmp_path: Path) -> None:
    answers = Answers.below(tmp_path)
    assert answers.known("gcc 1", ("-E",)) is None
    answers.keep("gcc 1", ("-E",), "said")
    assert answers.known("gcc 1", ("-E",)) == "said"
    assert answers.known("gcc 2", ("-E",)) is None
    assert answers.known("gcc 1", ("-E", "-x")) is None
    for number in range(limits.COMPILER_ANSWERS + 1):
        answers.keep("gcc 1", (str(number),), "x")
    assert len(json.loads(answers.path.read_text())["answers"]) <= limits.COMPILER_ANSWERS


@pytest.mark.parametrize(
    "spoilt", ["file for the group", "directory for all", "link", "no json", "list", "later format", "large"]
)
def test_what_others_may_have_written_is_not_believed(tmp_path: Path, spoilt: str) -> None:
    answers = Answers.below(tmp_path)
    answers.keep("gcc", ("-E",), "said")
    path = answers.path
    if spoilt == "file for the group":
        path.chmod(0o664)
    elif spoilt == "directory for all":
        path.parent.chmod(0o777)
    elif spoilt == "link":
        path.rename(tmp_path / "elsewhere")
        (tmp_path / "elsewhere").chmod(0o666)
        path.symlink_to(tmp_path / "elsewhere")
    else:
        made = {
            "no json": "{",
            "list": "[]",
            "later format": path.read_text().replace('"format": 1', '"format": 2'),
            "large": path.read_text() + " " * limits.COMPILER_MEMORY,
        }
        path.write_text(made[spoilt])
    assert answers.known("gcc", ("-E",)) is None


def test_the_compiler_is_asked_once(gcc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    who = identity("gcc")
    assert who is not None
    monkeypatch.setattr(cpu, "_memory", Answers.below(tmp_path))
    cpu._ask.cache_clear()
    assert cpu._ask(("-E",), "") == ""
    path = Answers.below(tmp_path).path
    path.write_text(path.read_text().replace('": ""', '": "from memory"'))
    cpu._ask.cache_clear()
    assert cpu._ask(("-E",), "") == "from memory"
    os.utime(gcc, ns=(1, 1))
    cpu._ask.cache_clear()
    assert cpu._ask(("-E",), "") == ""
    cpu._ask.cache_clear()
