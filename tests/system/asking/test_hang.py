"""A service that hangs after it has taken a request holds emerge until the deadline, and no longer, over ssh and https."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.asking import lab as kit
from tests.system.asking.test_asking import NOTE, said

HANGS = """
import sys, time
from portage_ext.door.desk import Desk
from portage_ext.cli.main import program
answer = Desk.answer
def hanging(self, message):
    if message.get("do") == "state":
        if "--serve" in sys.argv:
            time.sleep(600)
        sys.stdin.buffer.read()
        sys.exit()
    return answer(self, message)
Desk.answer = hanging
program()
"""


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["ssh", "https"])
def test_emerge_goes_on_at_its_deadline(work: Path, transport: str) -> None:
    if not kit.CAN:
        pytest.skip(kit.REASON)
    program = work / "hangs.py"
    program.write_text(HANGS)
    with kit.running(work, transport, program) as lab:
        lab.lab.run("builds", "drain").ok()
        lab.lab.repository.data(f"{NOTE}-1")
        lab.ask("wait", deadline_minutes=0.05)
        late = lab.client.emerge("--oneshot", NOTE).ok()
        assert "not built within 3 s: 1 package (app-misc/note-1). emerge goes on without; the request stands" in said(late)
        assert lab.client.merged() == {f"{NOTE}-1": "ebuild"}
