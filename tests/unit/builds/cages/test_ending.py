"""Whoever waits for processes goes on when the first of them ends, and otherwise after the time that was given."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from portage_ext.builds.cages import ending

LONG = 600.0


@contextmanager
def child(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(words, stdin=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_first_that_ends_is_enough() -> None:
    with child("cat") as lasting, child("true") as ends:
        ending.wait([lasting.pid, ends.pid], LONG)
        assert ends.wait(LONG) == 0
        assert lasting.poll() is None


def test_the_time_is_a_bound() -> None:
    with child("cat") as lasting:
        ending.wait([lasting.pid], 0.01)
        ending.wait([], 0.01)
        ending.wait([lasting.pid], -1.0)
        assert lasting.poll() is None


def test_an_old_kernel_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(pid: int) -> int:
        raise OSError("Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", refused)
    with child("cat") as lasting:
        ending.wait([lasting.pid], LONG)
        assert lasting.poll() is None
