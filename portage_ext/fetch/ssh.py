"""ssh:// uses the system's ssh with the keys, known hosts and configuration of the administrator.

The messages of ssh are not printed directly, because the remote host can write to them. Their last part is in the error.
"""

from __future__ import annotations

import os
import select
import shlex
import subprocess
import time
from typing import Final
from urllib.parse import unquote

from portage_ext import limits
from portage_ext.errors import RequestError
from portage_ext.errors.trust import MirrorError, NotFoundError, SlowMirrorError, UnsupportedUrlError
from portage_ext.fetch.transfer import Patience, Transfer, Transport, parsed, watched
from portage_ext.shown import short

_ABSENT: Final = 66
"""EX_NOINPUT (sysexits.h): the exit status of our remote command if the file does not exist."""
_FORBIDDEN: Final = 77
"""EX_NOPERM: the exit status of our remote command if it may not look whether the file exists."""


class SshTransport:
    """Fetches each file with one remote command that writes it to its output."""

    def __init__(self, options: str | None = None) -> None:
        """``options`` are additional ssh options, as in PORTAGE_SSH_OPTS. Raises RequestError."""
        try:
            self._options = shlex.split(os.environ.get("PORTAGE_SSH_OPTS", "") if options is None else options)
        except ValueError as error:
            raise RequestError(
                f"PORTAGE_SSH_OPTS cannot be split into words: {error}. Correct it in make.conf or in the environment"
            ) from error

    def close(self) -> None:
        """Do nothing: no connection is kept. ControlMaster in ssh_config can keep connections open."""

    def run(self, transfer: Transfer, patience: Patience) -> None:
        words = command(transfer.url, transfer.offset, self._options, patience.timeout)
        try:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except (OSError, ValueError) as error:  # no ssh, or a path with a NUL in it
            raise MirrorError(transfer.shown, f"ssh cannot be run ({short(error)})") from error
        assert process.stdout is not None
        assert process.stderr is not None
        output, said = process.stdout.fileno(), _Said(process.stderr.fileno())
        try:
            with watched(transfer, patience):
                while block := _read(output, said, transfer, patience):
                    transfer.take(block)
                status = process.wait(patience.timeout)
            said.take(wait=False)
        except subprocess.TimeoutExpired:
            raise SlowMirrorError(transfer.shown, f"ssh did not end within {patience.timeout:g} s") from None
        finally:
            process.stdout.close()
            process.stderr.close()
            if process.poll() is None:
                process.kill()
                process.wait()
        if status == _ABSENT:
            raise NotFoundError(transfer.shown, "it does not have the file")
        if status == _FORBIDDEN:
            raise MirrorError(transfer.shown, "the user on the other side may not look into the directory of the file")
        if status:
            raise MirrorError(transfer.shown, f"ssh ended with status {status}: {said.end or 'it said nothing'}")


def command(url: str, offset: int, options: list[str], timeout: float) -> list[str]:
    """The ssh command that writes the file behind ``url`` to its output from byte ``offset``. Raises UnsupportedUrlError."""
    parts = parsed(url)
    host, user = parts.hostname or "", parts.username
    if not host or host.startswith("-") or (user or "").startswith("-"):
        raise UnsupportedUrlError(url, "it names no host")
    path = shlex.quote(unquote(parts.path))
    read = f"tail -c +{offset + 1} -- {path}" if offset else f"cat -- {path}"
    # A file in a directory without search permission looks absent. So test the nearest directory that exists: if it may not be
    # searched, the answer is "no permission" and not "absent".
    nearest = 'until test -e "$d" || test "$d" = / || test "$d" = .; do d=$(dirname -- "$d"); done'
    absent = f'd={path}; {nearest}; test ! -d "$d" || test -x "$d" || exit {_FORBIDDEN}; exit {_ABSENT}'
    words = ["ssh", "-oBatchMode=yes", f"-oConnectTimeout={max(1, int(timeout))}"]
    if parts.port is not None:
        words += ["-p", str(parts.port)]
    return [*words, *options, "--", f"{user}@{host}" if user else host, f"test -f {path} || {{ {absent}; }}; exec {read}"]


class _Said:
    """Keeps the last part of what ssh writes to stderr. Everything is read, so that ssh never blocks on a full pipe."""

    def __init__(self, fd: int) -> None:
        self.fds = [fd]
        self._words = bytearray()

    def take(self, *, wait: bool = True) -> None:
        """Read stderr; without ``wait``, only what is available now."""
        if self.fds and (wait or select.select(self.fds, [], [], 0)[0]):
            words = os.read(self.fds[0], limits.SSH_SAID)
            self._words += words
            del self._words[: -limits.SSH_SAID]
            if not words:
                self.fds.clear()

    @property
    def end(self) -> str:
        """The last part as one line."""
        return " ".join(self._words.decode("utf-8", "replace").split())[-limits.SSH_SHOWN :]


def _read(output: int, said: _Said, transfer: Transfer, patience: Patience) -> bytes:
    until = time.monotonic() + patience.timeout
    while True:
        ready = select.select([output, *said.fds], [], [], max(0.0, until - time.monotonic()))[0]
        if not ready:
            raise SlowMirrorError(transfer.shown, f"it was silent for {patience.timeout:g} s")
        if output in ready:
            return os.read(output, limits.TRANSFER_BLOCK)
        said.take()
        if time.monotonic() > until:
            raise SlowMirrorError(transfer.shown, f"it sent nothing of the file for {patience.timeout:g} s")


def transport() -> Transport:
    """Make the transport; called through ``transfer.TRANSPORTS``."""
    return SshTransport()
