"""Requests are read and answered line by line. An invalid line gets an error as its answer, and the next line is read."""

from __future__ import annotations

from typing import IO, Any

from portage_ext import shown
from portage_ext.asking import protocol
from portage_ext.door.desk import Desk, Refusal
from portage_ext.errors import PortageExtError
from portage_ext.errors.asking import MessageError
from portage_ext.limits import builds as limits


def talk(desk: Desk, incoming: IO[bytes], outgoing: IO[bytes]) -> None:
    """Answer requests until the client closes the connection or sends a line that is too long. Raises OSError."""
    while line := incoming.readline(limits.ASK_LINE + 1):
        if not line.endswith(b"\n"):
            return  # the line is too long or cut off, so the start of the next line is unknown
        outgoing.write(protocol.emit(answered(desk, line)))
        outgoing.flush()


def answered(desk: Desk, line: bytes) -> dict[str, Any]:
    """The answer to one line."""
    number = 0
    try:
        message = protocol.parse(line)
        number = message["id"]
        return {"id": number, "ok": desk.answer(message)}
    except Refusal as refusal:
        return {"id": number, "refused": refusal.kind, "why": shown.line(refusal.why)}
    except MessageError as error:
        return {"id": number, "refused": "message", "why": str(error)}
    except (PortageExtError, OSError) as error:
        return {"id": number, "refused": "trouble", "why": f"the service has a problem: {shown.line(str(error))}"}
