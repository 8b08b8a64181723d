"""Buildbot's own page is on this host only, shows what runs and no secret, and nobody can change anything through it."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from portage_ext.config.swarm import Swarm
from portage_ext.errors.swarm import SwarmError
from portage_ext.swarm.master import Master
from portage_ext.swarm.register import Register
from tests.testkit import environments
from tests.testkit.daemon import free_port

PATIENCE = 90.0
SECRET = "5ecret" * 8


@pytest.fixture
def page(work: Path) -> Iterator[int]:
    """The port of the page of a real master with one builder, b1."""
    register = Register(work / "swarm")
    register.set_up()
    with contextlib.ExitStack() as stack:
        port, web = stack.enter_context(free_port()), stack.enter_context(free_port())
        master = Master(work / "m", Swarm("127.0.0.1", port, buildbot=environments.buildbot(), web=web), register.directory)
        master.start({"b1": SECRET})
        stack.callback(master.stop)
        until = time.monotonic() + PATIENCE
        # Buildbot opens the page, and then knows its builders, after the socket that the coordinator waits for.
        while not knows(web, "workers", "b1") or not knows(web, "builders", "b1"):
            assert time.monotonic() < until, (work / "m/twistd.log").read_text()[-3000:]
            time.sleep(0.05)
        yield web


def ask(port: int, method: str, path: str, body: object = None, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")


def knows(port: int, path: str, name: str) -> bool:
    try:
        status, text = ask(port, "GET", f"/api/v2/{path}")
    except (ConnectionError, http.client.HTTPException):
        return False
    return status == 200 and any(one["name"] == name for one in json.loads(text)[path])


def get(port: int, path: str) -> dict[str, Any]:
    status, text = ask(port, "GET", f"/api/v2/{path}")
    assert status == 200, text
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.slow
def test_the_page_shows_and_changes_nothing(page: int) -> None:
    status, text = ask(page, "GET", "/")
    assert status == 200
    assert "portage-ext swarm" in text
    worker = next(one for one in get(page, "workers")["workers"] if one["name"] == "b1")
    builder = next(one for one in get(page, "builders")["builders"] if one["name"] == "b1")

    # As nobody, and with what a page in a browser on this host could add.
    controls = (
        (f"workers/{worker['workerid']}", "pause"),
        (f"workers/{worker['workerid']}", "stop"),
        (f"workers/{worker['workerid']}", "kill"),
        (f"builders/{builder['builderid']}/builds/1", "stop"),
        ("builds/1", "rebuild"),
        ("buildrequests/1", "cancel"),
        ("masters/1", "stop"),
        ("schedulers/1", "enable"),
    )
    for path, method in controls:
        body = {"id": 1, "jsonrpc": "2.0", "method": method, "params": {"reason": "x", "enabled": False}}
        for headers in ({}, {"Origin": "http://evil.invalid"}, {"Authorization": "Basic YWRtaW46YWRtaW4="}):
            status, text = ask(page, "POST", f"/api/v2/{path}", body, **headers)
            # 400 is for the page of another site, 404 for a build that is not there.
            refused = (400,) if "Origin" in headers else (403,) if path.startswith("workers") else (403, 404)
            assert status in refused, (path, method, status, text)
    after = next(one for one in get(page, "workers")["workers"] if one["name"] == "b1")
    assert (after["paused"], after["graceful"]) == (False, False)
    for path in ("auth/login", "change_hook/base", "change_hook/github"):
        status, text = ask(page, "POST", f"/{path}", {"x": 1})
        assert status >= 400 or "Log in" not in text
    assert get(page, "changes")["changes"] == []

    # No secret of a builder, and no page for another host.
    for path in ("workers", "builders", "masters", "schedulers", "application.spec"):
        assert SECRET not in ask(page, "GET", f"/api/v2/{path}")[1]
    connection = http.client.HTTPConnection("127.0.0.2", page, timeout=10)
    with contextlib.closing(connection), pytest.raises(ConnectionRefusedError):
        connection.request("GET", "/")


@pytest.mark.slow
def test_without_a_port_there_is_no_page(work: Path) -> None:
    register = Register(work / "swarm")
    register.set_up()
    with free_port() as port, free_port() as other:
        master = Master(work / "m", Swarm("127.0.0.1", port, buildbot=environments.buildbot()), register.directory)
        master.start({"b1": SECRET})
        try:
            assert json.loads((work / "m/swarm.json").read_text())["web"] is None
            with pytest.raises(ConnectionRefusedError):
                ask(other, "GET", "/")
        finally:
            master.stop()


@pytest.mark.slow
def test_a_missing_page_is_said_in_one_line_with_what_to_do(work: Path) -> None:
    register = Register(work / "swarm")
    register.set_up()
    buildbot = environments.buildbot_beside(work / "no-www", environments.buildbot())
    with free_port() as port, free_port() as web:
        plain = Swarm("127.0.0.1", port, buildbot=buildbot)
        whole = replace(plain, web=web)

        def start(name: str, settings: Swarm) -> None:
            master = Master(work / name, settings, register.directory)
            try:
                master.start({"b1": SECRET})
            finally:
                master.stop()

        start("old", plain)
        # An old coordinator misses the page when Buildbot starts, a new one when it makes its database.
        for name in ("old", "new"):
            with pytest.raises(SwarmError) as refused:
                start(name, whole)
            assert str(refused.value) == (
                f"[swarm] web = {web} asks for the web page of Buildbot, but buildbot-www is not installed. "
                f"Install buildbot-www in {buildbot}, in the same version, or remove `web` from [swarm]."
            )
