"""ssh:// through the system's ssh, whose keys, known hosts and configuration are the administrator's."""

from __future__ import annotations

import os
import select
import shlex
import subprocess
from typing import Final
from urllib.parse import unquote, urlsplit

from portage_ext import limits
from portage_ext.errors.trust import MirrorError, NotFoundError, SlowMirrorError, UnsupportedUrlError
from portage_ext.fetch.transfer import Patience, Transfer, watched

_ABSENT: Final = 66
"""EX_NOINPUT (sysexits.h): what our own remote command ends with when the file is not there."""


class SshTransport:
    """Each file is one `cat` on the other side."""

    def __init__(self, options: str | None = None) -> None:
        """``options`` are further words for ssh, as PORTAGE_SSH_OPTS has them."""
        self._options = shlex.split(os.environ.get("PORTAGE_SSH_OPTS", "") if options is None else options)

    def close(self) -> None:
        """Nothing is kept; ControlMaster in ssh_config keeps connections where that is wanted."""

    def run(self, transfer: Transfer, patience: Patience) -> None:
        process = subprocess.Popen(
            command(transfer.url, transfer.offset, self._options, patience.timeout),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            with watched(transfer, patience):
                while block := _read(process.stdout.fileno(), transfer, patience):
                    transfer.take(block)
                status = process.wait(patience.timeout)
        except subprocess.TimeoutExpired:
            raise SlowMirrorError(transfer.shown, f"ssh did not end within {patience.timeout:g} s") from None
        finally:
            process.stdout.close()
            if process.poll() is None:
                process.kill()
                process.wait()
        if status == _ABSENT:
            raise NotFoundError(transfer.shown, "it does not have the file")
        if status:
            raise MirrorError(transfer.shown, f"ssh ended with status {status}")


def command(url: str, offset: int, options: list[str], timeout: float) -> list[str]:
    """The ssh command that writes the file behind ``url`` to its output from byte ``offset``. Raises UnsupportedUrlError."""
    parts = urlsplit(url)
    host, user = parts.hostname or "", parts.username
    if not host or host.startswith("-") or (user or "").startswith("-"):
        raise UnsupportedUrlError(url, "it names no host")
    path = shlex.quote(unquote(parts.path))
    read = f"tail -c +{offset + 1} -- {path}" if offset else f"cat -- {path}"
    words = ["ssh", "-oBatchMode=yes", f"-oConnectTimeout={max(1, int(timeout))}"]
    if parts.port is not None:
        words += ["-p", str(parts.port)]
    return [*words, *options, "--", f"{user}@{host}" if user else host, f"test -f {path} || exit {_ABSENT}; exec {read}"]


def _read(fd: int, transfer: Transfer, patience: Patience) -> bytes:
    if not select.select([fd], [], [], patience.timeout)[0]:
        raise SlowMirrorError(transfer.shown, f"it was silent for {patience.timeout:g} s")
    return os.read(fd, limits.TRANSFER_BLOCK)
