"""What unit and system tests share: hypothesis, an empty folder, a free port."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.testkit import daemon, untouched, warm

# Whatever this user's is: other users read what the tests make. Tests of the umask set one of their own.
os.umask(0o022)
# A script's job in the background is started with Ctrl-C ignored, and every program of a test would be, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
warm.enabled = "TESTS_COLD" not in os.environ
# The same few examples every time, so that a run says something about the change; HYPOTHESIS_PROFILE=explore looks for others.
# How fast they are made says something about the machine alone.
SLOW = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("repeatable", max_examples=30, derandomize=True, deadline=None, suppress_health_check=SLOW)
hypothesis.settings.register_profile("explore", max_examples=2000, deadline=None, suppress_health_check=SLOW)
# For make test-unit, which is run again and again; make test has all.
hypothesis.settings.register_profile("quick", max_examples=10, derandomize=True, deadline=None, suppress_health_check=SLOW)
# For the differential tests (make test-differential).
hypothesis.settings.register_profile("thorough", max_examples=10_000, deadline=None, suppress_health_check=SLOW)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


# What is imported and collected stays until the end: without this, Python looks through all of it again and again.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print both rates of the random merges (tests/system/toolchain/random_merges.py) over all workers."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    merges = [one for report in reports for name, value in report.user_properties if name == "random merges" for one in value]
    if merges:
        alarms = [seed for seed, alarm, _, _ in merges if alarm]
        breaks = [seed for seed, _, broken, _ in merges if broken]
        refused = sum(one[3] for one in merges)
        rates = f"{len(alarms)} false alarms {alarms or ''}, {len(breaks)} breaks {breaks or ''}, {refused} refused"
        terminalreporter.write_line(f"{len(merges)} random plans merged: {rates}")


@pytest.fixture(autouse=True)
def _machine_untouched() -> Iterator[None]:
    """A test that forgets to say which root it means would change the machine on which it runs: it fails."""
    before = untouched.state()
    yield
    touched = untouched.changes(before, untouched.state())
    assert not touched, f"this test, or one beside it, has changed the machine: {', '.join(touched)}"


@pytest.fixture
def work() -> Iterator[Path]:
    """A short, empty, world-readable folder: gpg's sockets need short names, nobody needs to read keyrings."""
    path = Path(tempfile.mkdtemp(prefix="pe-"))
    path.chmod(0o755)
    yield path
    # An agent that ends takes its sockets away by itself, perhaps just now.
    while path.exists():
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path)


@pytest.fixture
def port() -> Iterator[int]:
    """A port of loopback that nobody else is given."""
    with daemon.free_port() as port:
        yield port
