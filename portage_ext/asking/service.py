"""A client talks to its build service line by line through a program, which its transport names.

Every wait has a limit. The first answer must arrive within the time set in [ask] (``patience``), later answers within
ASK_ANSWER seconds. A ``hasty`` client is emerge: it gives the answer to its request what is left of patience, and ASK_EACH
seconds for each package, so it loses no more time than that if the service is down or hangs. ssh never asks for a password and
refuses unknown hosts.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Any, Final, Self

from portage_ext import shown
from portage_ext.asking import protocol
from portage_ext.asking.protocol import Standing, Wanted
from portage_ext.asking.transports import words
from portage_ext.config.asking import Asking
from portage_ext.errors.asking import MessageError, RefusedRequestError, ServiceError
from portage_ext.limits import builds as limits

_UNKNOWN_HOST: Final = "Host key verification failed"


@dataclass(slots=True)
class Service:
    """The service of ``asking``, for the block: ``with Service(asking) as service:``."""

    asking: Asking
    program: Sequence[str] = ()
    hasty: bool = False
    _until: float = 0.0
    _process: subprocess.Popen[bytes] | None = None
    _ours: socket.socket | None = None
    _said: IO[bytes] | None = None
    _unread: bytearray = field(default_factory=bytearray)
    _number: int = 0

    def __enter__(self) -> Self:
        """Connect. Raises ServiceError, RefusedRequestError, MessageError."""
        self._until = time.monotonic() + self.asking.patience
        self._said = tempfile.TemporaryFile(prefix="portage-ext.")
        try:
            # A socket and not a pipe: emerge would be killed by SIGPIPE when it writes to a program that has ended.
            self._ours, theirs = socket.socketpair()
            self._ours.setblocking(False)
            with theirs:
                # Start it in its own session, so that Ctrl-C only ends our waiting and does not kill the program.
                self._process = subprocess.Popen(
                    list(self.program) or words(self.asking),
                    stdin=theirs.fileno(),
                    stdout=subprocess.PIPE,
                    stderr=self._said,
                    start_new_session=True,
                    bufsize=0,
                )
        except OSError as error:
            self.close()
            raise ServiceError(self.asking.where, f"cannot be reached: {error.strerror or error}") from error
        try:
            self.do(protocol.HELLO, self.asking.patience)
        except BaseException:  # end the process also after an interrupt; the exception is raised again
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. Requests remain queued at the service."""
        if self._ours is not None:
            self._ours.close()
            self._ours = None
        if self._process is not None:
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._said is not None:
            self._said.close()
            self._said = None

    def request(self, packages: Sequence[Wanted], hurry: str) -> list[Standing]:
        """Request builds of ``packages`` and return their states. Raises ServiceError, RefusedRequestError, MessageError."""
        asked = [protocol.plain(one) for one in packages]
        patience = limits.ASK_ANSWER
        if self.hasty:
            patience = max(0.0, self._until - time.monotonic()) + len(packages) * limits.ASK_EACH
        return protocol.standings(self.do(protocol.REQUEST, patience, target=self.asking.target, packages=asked, hurry=hurry))

    def state(self, cpvs: Sequence[str] = (), patience: float = limits.ASK_ANSWER) -> list[Standing]:
        """The states of this client's newest requests, for ``cpvs`` or for all packages. Raises the errors of
        :meth:`request`."""
        return protocol.standings(self.do(protocol.STATE, patience, target=self.asking.target, packages=list(cpvs)))

    def cancel(self, cpvs: Sequence[str]) -> list[Standing]:
        """Withdraw requests of this client. Raises the errors of :meth:`request`."""
        return protocol.standings(self.do(protocol.CANCEL, target=self.asking.target, packages=list(cpvs)))

    def do(self, what: str, patience: float = limits.ASK_ANSWER, **values: Any) -> dict[str, Any]:
        """Send one request and return its answer; ``patience`` is in seconds.

        Raises ServiceError, RefusedRequestError, MessageError.
        """
        self._number += 1
        until = time.monotonic() + patience
        self._send(protocol.emit({"id": self._number, "do": what, **values}), until)
        answer = protocol.parse(self._line(until, patience))
        # A service that could not read the line does not know its number.
        if answer["id"] != self._number and not ("refused" in answer and answer["id"] == 0):
            raise MessageError(f"the answer has the number {answer['id']}, and {self._number} was asked")
        if "refused" in answer:
            why = shown.line(str(answer.get("why", ""))[: limits.ASK_REASON])
            raise RefusedRequestError(self.asking.where, shown.line(str(answer["refused"])[:64]), why)
        if not isinstance(answer.get("ok"), dict):
            raise MessageError("the answer is neither ok nor refused")
        return dict(answer["ok"])

    def _send(self, line: bytes, until: float) -> None:
        if self._ours is None:
            raise ServiceError(self.asking.where, "is not connected")
        left = memoryview(line)
        while left:
            if not select.select([], [self._ours], [], max(0.0, until - time.monotonic()))[1]:
                raise ServiceError(self.asking.where, "takes no request")
            try:
                left = left[self._ours.send(left, socket.MSG_NOSIGNAL) :]
            except (BrokenPipeError, ConnectionResetError) as error:
                raise self._lost(until) from error
            except BlockingIOError:
                continue

    def _line(self, until: float, patience: float) -> bytes:
        process = self._process
        if process is None or process.stdout is None:
            raise ServiceError(self.asking.where, "is not connected")
        while b"\n" not in self._unread:
            if not select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
                raise ServiceError(self.asking.where, f"did not answer within {patience:.2g} s")
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                raise self._lost(until)
            self._unread += data
            if len(self._unread) > limits.ASK_LINE:
                raise MessageError(f"an answer is longer than {limits.ASK_LINE} bytes")
        line, _, rest = bytes(self._unread).partition(b"\n")
        self._unread = bytearray(rest)
        return line

    def _lost(self, until: float) -> ServiceError:
        """The error for a program that has ended, with its last message as the reason."""
        if self._process is not None:
            # It may close its output and live on. It has a moment to say why it ends.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(min(limits.ASK_LOOK, max(0.0, until - time.monotonic())))
        text = ""
        if self._said is not None:
            self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - limits.ASK_REASON))
            text = self._said.read().decode("utf-8", "replace")
        lines = [shown.line(one.strip()) for one in text.split("\n") if one.strip()]
        if lines and lines[-1].startswith(_UNKNOWN_HOST):
            todo = "connect once by hand, so that ssh knows the key of this host"
            port = f"-p {self.asking.port} " if self.asking.port is not None else ""
            lines[-1] += f" To fix it, {todo}: {shlex.join(('ssh', *self.asking.options))} {port}{self.asking.host}"
        return ServiceError(self.asking.where, f"cannot be reached: {lines[-1]}" if lines else "has closed the connection")
