"""The metrics of a coordinator count what the ledger and the status say, on one port of this host, and only if it is set."""

from __future__ import annotations

import contextlib
import functools
import http.client
import http.server
import os
import re
import socket
import threading
import time
from pathlib import Path

import pytest

from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.config.swarm import Swarm
from portage_ext.swarm.metrics import Metrics
from portage_ext.swarm.status import Running, Seen, Status
from tests.testkit.daemon import free_port
from tests.unit.builds.examples import job

_SAMPLE = re.compile(r'([a-z_]+)(?:\{([a-z]+)="([A-Za-z0-9_-]+)"\})? ([0-9.]+)')


def ask(port: int, path: str = "/metrics", host: str = "127.0.0.1") -> tuple[int, str, str]:
    connection = http.client.HTTPConnection(host, port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Content-Type", ""), answer.read().decode()


def samples(text: str) -> dict[str, float]:
    """Each sample by name and label; every name must have its type before it."""
    found: dict[str, float] = {}
    known: set[str] = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            known.add(line.split()[2])
            continue
        match = _SAMPLE.fullmatch(line)
        assert match is not None, line
        assert match[1] in known, line
        name = f"{match[1]} {match[3]}" if match[3] else match[1]
        assert name not in found, line
        found[name] = float(match[4])
    return found


@pytest.fixture(autouse=True)
def _soon_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server looks twice a second whether it shall end."""
    usual = http.server.ThreadingHTTPServer.serve_forever
    monkeypatch.setattr(http.server.ThreadingHTTPServer, "serve_forever", functools.partialmethod(usual, 0.01))


@pytest.fixture
def now() -> int:
    """When this test begins: in a whole run that is minutes after this file was read."""
    return int(time.time())


@pytest.fixture
def ledger(tmp_path: Path, now: int) -> Path:
    """One job in each state, requested an hour ago, and failures of attempts."""
    path = tmp_path / "ledger.sqlite"
    times = [now - 3600.0]
    made = Ledger(path, lambda: times[0])
    for number in range(8):
        made.request(f"{number}" * 64, "laptop", job())
    times[0] = now - 600.0

    def end(number: int, failure: str = "", result: str = "") -> None:
        attempt = made.take("builder:b1", lambda key, fence: "", [f"{number}" * 64])
        assert attempt is not None
        if result:
            made.end(attempt, "checked", result=result)
        elif failure:
            made.end(attempt, "failed", failure=failure, reason="x")  # type: ignore[arg-type]

    end(1)
    end(2, result="/x")
    end(3, result="/x")
    times[0] = now - 60.0
    made.publish("3" * 64, 1)
    end(4, failure="package")
    end(5, failure="builder")
    end(6, failure="checks")
    made.cancel("7" * 64)
    made.close()
    return path


def test_what_a_monitoring_system_reads(ledger: Path, tmp_path: Path, now: int) -> None:
    builders = (Seen("b1", "lab", ("k",), "", 1, disk=2**30), Seen("b2", "", (), "drained", 0))
    Status(now, 1, builders, (), 0.012).write(tmp_path)
    with free_port() as port, Metrics(port, ledger, tmp_path):
        status, kind, text = ask(port)
        assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
        found = samples(text)
        assert ask(port, "/other")[0] == 404
        assert "portage_ext_jobs" not in ask(port, "/other")[2]
    states = {state: found[f"portage_ext_jobs {state}"] for state in ("queued", "running", "checked", "published", "failed")}
    # The one whose builder failed is queued again.
    assert states == {"queued": 2, "running": 1, "checked": 1, "published": 1, "failed": 2}
    assert found["portage_ext_jobs cancelled"] == 1
    assert 3600 <= found["portage_ext_oldest_queued_seconds"] < 3900
    assert 600 <= found["portage_ext_longest_running_seconds"] < 900
    assert found["portage_ext_last_publication_timestamp_seconds"] == now - 60
    blamed = {one: found[f"portage_ext_attempt_failures_total {one}"] for one in ("builder", "checks", "package", "differs")}
    assert blamed == {"builder": 1, "checks": 1, "package": 1, "differs": 0}
    assert [found[f"portage_ext_builder_open {one}"] for one in ("b1", "b2")] == [1, 0]
    assert [found[f"portage_ext_builder_running {one}"] for one in ("b1", "b2")] == [1, 0]
    assert found["portage_ext_builder_failures b1"] == 1
    assert found["portage_ext_builder_free_bytes b1"] == 2**30
    assert found["portage_ext_slowest_step_seconds"] == 0.012


def test_without_a_status_the_ledger_is_told_and_without_a_ledger_why(ledger: Path, tmp_path: Path) -> None:
    with free_port() as port, Metrics(port, ledger, tmp_path):
        found = samples(ask(port)[2])
        assert found["portage_ext_jobs queued"] == 2
        assert "portage_ext_slowest_step_seconds" not in found
        ledger.unlink()
        status, _, text = ask(port)
        assert (status, text.startswith("the ledger cannot be read")) == (503, True)


def test_only_this_host_reaches_it_and_it_is_off_by_default(ledger: Path, tmp_path: Path) -> None:
    with free_port() as port, Metrics(port, ledger, tmp_path), pytest.raises(ConnectionRefusedError):
        ask(port, host="127.0.0.2")
    assert Swarm().metrics == 0
    before = threading.active_count()
    with Metrics(0, ledger, tmp_path):
        assert threading.active_count() == before
    with free_port() as port, socket.socket() as probe:
        with Metrics(port, ledger, tmp_path):
            pass
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_the_page_says_what_waits_and_why(ledger: Path, tmp_path: Path, now: int) -> None:
    with contextlib.closing(Ledger(ledger)) as opened:
        opened.explain({"0" * 64: 'no builder has "-march=<x>" \x1b[2J'})
    Status(now, os.getpid(), (Seen("b1", "lab", ("k",), "drained: a&b", 1),), (Running("1" * 64, "b1", now - 90),), 0.0).write(
        tmp_path
    )
    with free_port() as port, Metrics(port, ledger, tmp_path):
        status, kind, text = ask(port, "/")
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert "2 jobs waiting" in text
    assert "no builder has &quot;-march=&lt;x&gt;&quot;" in text
    assert "\x1b" not in text
    assert "drained: a&amp;b" in text
    assert "1 build running" in text
    assert "does not run" not in text
    assert "<script" not in text


def test_the_page_without_a_coordinator_or_a_ledger(ledger: Path, tmp_path: Path) -> None:
    with free_port() as port, Metrics(port, ledger, tmp_path):
        assert "The coordinator does not run." in ask(port, "/")[2]
        ledger.unlink()
        status, _, text = ask(port, "/")
        assert (status, text.startswith("the ledger cannot be read")) == (503, True)
