"""A service that hangs holds nobody beyond the deadline: the program behind the pipes is a real one."""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from dataclasses import replace

import pytest

from portage_ext.asking.following import follow
from portage_ext.asking.protocol import Standing, Wanted
from portage_ext.asking.service import Service
from portage_ext.config.asking import Asking
from portage_ext.errors.asking import ServiceError
from tests.unit.asking.test_service import HONEST

ASKING = Asking("ssh://far", "laptop", "laptop", "far")


@pytest.mark.parametrize("question", ["hello", "state"])
def test_a_service_that_hangs_holds_nobody_beyond_the_deadline(question: str) -> None:
    """A real program takes the question and never answers."""
    hangs = f"""
import json, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    if asked["do"] == "{question}":
        time.sleep(600)
    print(json.dumps(dict(format=asked["format"], id=asked["id"], ok=dict())), flush=True)
"""
    asking = replace(ASKING, patience=60.0)
    connect = functools.partial(Service, program=(sys.executable, "-c", hangs))
    began = time.monotonic()
    known = [Standing("app-misc/a-1", "queued")]
    assert follow(asking, known, lambda found: None, deadline=1.5, connect=connect) == known
    # It has 60 s to connect, an answer 30 s, and the service as long to come back.
    assert time.monotonic() - began < 20


def test_emerge_waits_for_a_service_that_hangs_after_its_greeting_no_longer_than_for_one_that_is_down() -> None:
    hangs = HONEST.replace("    print(", "    if asked['do'] == 'request': import time; time.sleep(600)\n    print(")
    wanted = Wanted("app-misc/note-1", "0/0", "tiny", {})
    # A busy machine may need more than a second for the greeting.
    for patience in (1.5, 6, 15):
        hasty = Service(replace(ASKING, patience=patience), (sys.executable, "-c", hangs), hasty=True)
        began = time.monotonic()
        try:
            open_service = hasty.__enter__()
        except ServiceError:
            continue
        with contextlib.closing(open_service), pytest.raises(ServiceError, match=r"did not answer within [\d.]+ s"):
            open_service.request([wanted], "ask")
        # An answer may take ASK_ANSWER, 30 s, where nobody is hasty.
        assert time.monotonic() - began < 25
        return
    pytest.fail("it never greeted")
