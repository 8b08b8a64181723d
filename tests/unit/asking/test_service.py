"""A service is a program with two pipes; one that is silent, dead, or speaks something else is named, and nothing hangs."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from portage_ext.asking.protocol import Wanted
from portage_ext.asking.service import Service
from portage_ext.asking.transports import words
from portage_ext.config.asking import Asking
from portage_ext.errors.asking import MessageError, RefusedRequestError, ServiceError
from portage_ext.limits import builds as limits

ASKING = Asking("ssh://build@far:2200", "laptop", "laptop", "build@far", 2200, ("-i", "key"), 20.0)
HONEST = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    answer = {"format": asked["format"], "id": asked["id"], "ok": {}}
    if asked["do"] == "request":
        answer["ok"]["packages"] = [{"cpv": one["cpv"], "state": "queued", "ahead": 1} for one in asked["packages"]]
    if asked["do"] == "cancel":
        del answer["ok"]
        answer |= {"refused": "quota", "why": "enough"}
    print(json.dumps(answer), flush=True)
"""


def service(program: str, asking: Asking = ASKING) -> Service:
    return Service(asking, (sys.executable, "-u", "-c", program))


def test_ssh_asks_no_password_and_names_the_port_before_the_host() -> None:
    said = words(ASKING)
    assert said[:3] == ["ssh", "-T", "-oBatchMode=yes"]
    assert said[-7:] == ["-p", "2200", "-i", "key", "--", "build@far", "portage-ext door"]
    assert "--client" in words(replace(ASKING, where="local"))


def test_a_request_is_answered_and_a_refusal_is_an_error_of_its_own() -> None:
    with service(HONEST) as open_service:
        wanted = Wanted("app-misc/note-1", "0/0", "tiny", {f"flag{number}": "on" for number in range(1900)})
        found = open_service.request([wanted] * 40, "person")  # more than a pipe holds
        assert [(one.cpv, one.state, one.ahead) for one in found] == [("app-misc/note-1", "queued", 1)] * 40
        with pytest.raises(RefusedRequestError, match="refuses this: enough"):
            open_service.cancel(["app-misc/note-1"])


@pytest.mark.parametrize(
    ("program", "error", "why"),
    [
        ("import sys; sys.exit('no route to host')", ServiceError, "cannot be reached: no route to host"),
        ("import sys; sys.exit('Host key verification failed.\\r\\n')", ServiceError, "once by hand, .*: ssh .*"),
        ("import time; time.sleep(600)", ServiceError, "did not answer within"),
        ("print('Welcome!'); import time; time.sleep(600)", MessageError, "not JSON"),
        ("print('x' * 5_000_000)", MessageError, "longer than"),
        ("import os; os.close(1); input()", ServiceError, "has closed the connection"),
        ("import os, time; os.close(1); time.sleep(600)", ServiceError, "has closed the connection"),
    ],
)
def test_a_service_that_is_none(program: str, error: type[Exception], why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ASK_LOOK", 0.1)
    # Short only for the one that says nothing: the others must have their say on a busy machine, too.
    patience = 0.2 if why.startswith("did not answer") else 60.0
    with pytest.raises(error, match=why), service(program, replace(ASKING, patience=patience)):
        pass


def test_a_program_that_does_not_exist() -> None:
    with pytest.raises(ServiceError, match="cannot be reached"), Service(ASKING, ("/does/not/exist",)):
        pass


def test_a_program_that_has_ended_does_not_kill_emerge() -> None:
    # As bin/emerge sets it. Whether the program ends before it is written to is otherwise left to chance.
    emerge = """
import signal
from portage_ext.asking.service import Service
from portage_ext.config.asking import Asking
from portage_ext.errors.asking import ServiceError

class Late(Service):
    def _send(self, line, until):
        self._process.wait()
        super(Late, self)._send(line, until)

signal.signal(signal.SIGPIPE, signal.SIG_DFL)
try:
    with Late(Asking("ssh://far", "laptop", "laptop", "far"), ("sh", "-c", "echo no route to host >&2; exit 1")):
        pass
except ServiceError as error:
    print(error)
"""
    ended = subprocess.run((sys.executable, "-c", emerge), capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "cannot be reached: no route to host" in ended.stdout
