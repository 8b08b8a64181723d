"""The status of the guard is what stops a merge: nothing that it prints may change it."""

from __future__ import annotations

import io
import sys

import pytest

from portage_ext.config.toolchain import Mode
from portage_ext.hooks import guard


def test_a_warning_that_the_locale_cannot_write_does_not_undo_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", ascii_only)
    monkeypatch.setattr(guard, "phase_of", lambda environment: None)
    monkeypatch.setattr(guard, "given_environment", lambda pid: {})
    monkeypatch.setattr(guard, "mode", lambda phase, variables: Mode.ENFORCE)
    monkeypatch.setattr(
        guard, "examine", lambda phase: (["refused"], ["it is in /opt/b\N{LATIN SMALL LETTER U WITH DIAERESIS}"])
    )
    assert guard.main() == guard.EXIT_REFUSED
    ascii_only.flush()
    assert rb"it is in /opt/b" in ascii_only.buffer.getvalue()  # type: ignore[attr-defined]
