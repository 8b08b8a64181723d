"""No message ends emerge, and the report of one failure never hides that of another."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from portage_ext.emerge import messages
from tests.testkit.environments import CHECKOUT


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(messages._VARIABLE, "")
    monkeypatch.delenv(messages._VARIABLE)


@pytest.mark.parametrize("how", ["full", "broken", "closed", "none"])
def test_a_stderr_that_takes_nothing_loses_the_line_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(os.open("/dev/full", os.O_WRONLY) if how == "full" else writing, "w", buffering=1)
    if how == "closed":
        stream.close()
    monkeypatch.setattr(sys, "stderr", None if how == "none" else stream)
    messages.line("a line")
    messages.progress("a state")
    messages.off("the graph is off", KeyError("boom"))
    assert capsys.readouterr().out == ""
    monkeypatch.undo()


@pytest.mark.parametrize("stderr", ["2>/dev/full", "2>&-"])
def test_a_line_that_is_lost_does_not_change_the_exit_status(stderr: str) -> None:
    program = "from portage_ext.emerge import messages; messages.line('a line')"
    words = ["/bin/sh", "-c", f'exec "$@" {stderr}', "sh", sys.executable, "-c", program]
    done = subprocess.run(words, env={"PATH": os.environ["PATH"]}, cwd=CHECKOUT, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"")


def test_each_failure_is_said_once_and_none_hides_another(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        messages.off("the graph is off", KeyError("boom"))
        messages.failed("the check of the merge list", KeyError("boom"))
        for name in ("a/b-1", "a/c-1"):
            messages.failed("choosing", KeyError(name), name)
    assert capsys.readouterr().err.splitlines() == [
        "portage-ext: the graph is off: KeyError: 'boom'",
        "portage-ext: not active: the check of the merge list: KeyError: 'boom'",
        "portage-ext: not active: choosing a/b-1: KeyError: 'a/b-1'",
    ]


@pytest.mark.parametrize("how", ["forked", "started"])
def test_a_forked_process_reports_what_is_new_and_a_started_one_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    messages.off("the graph is off", KeyError("boom"))
    if how == "started":  # it has the environment alone
        monkeypatch.setattr(messages, "_said", set())
        monkeypatch.setattr(messages, "_value", "")
    child = os.fork()
    if not child:
        messages.off("the graph is off", KeyError("boom"))
        messages.failed("the check of the merge list", KeyError("boom"))
        sys.stderr.flush()
        os._exit(0)
    os.waitpid(child, 0)
    new = ["portage-ext: not active: the check of the merge list: KeyError: 'boom'"] if how == "forked" else []
    assert capfd.readouterr().err.splitlines() == ["portage-ext: the graph is off: KeyError: 'boom'", *new]
