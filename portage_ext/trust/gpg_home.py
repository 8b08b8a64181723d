"""Every gpg that python-gnupg starts has a time limit: if it hangs on a lock or its agent, the user is told, then it is killed.

python-gnupg itself would wait forever. Importing it is slow, so only code that manages keys imports this module.
"""

from __future__ import annotations

import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import gnupg

from portage_ext import limits, locks
from portage_ext.errors.trust import GpgError


class BoundGPG(gnupg.GPG):  # type: ignore[misc]
    """python-gnupg whose gpg processes are killed after limits.GPG_TIMEOUT seconds; GpgError is then raised."""

    def _open_subprocess(self, *arguments: Any, **named: Any) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] = super()._open_subprocess(*arguments, **named)
        home = str(self.gnupghome or "its own home")
        self._timers = (
            threading.Timer(limits.LOCK_SILENT, locks.tell, (waiting(home, limits.GPG_TIMEOUT),)),
            threading.Timer(limits.GPG_TIMEOUT, process.kill),
        )
        for one in self._timers:
            one.daemon = True
            one.start()
        return process

    def _collect_output(self, process: subprocess.Popen[bytes], *arguments: Any, **named: Any) -> Any:
        try:
            status = super()._collect_output(process, *arguments, **named)
        finally:
            for one in self._timers:
                one.cancel()
        if process.returncode == -signal.SIGKILL:
            raise GpgError(str(self.gnupghome or "gpg"), f"gpg did not finish in {limits.GPG_TIMEOUT:g} s, and was ended")
        return status


def listed(gpg: gnupg.GPG, *, secret: bool = False, of: str | None = None) -> Any:
    """The keys in a gpg home, or its secret keys; only those ``of`` a fingerprint, if it is given.

    Raises GpgError if gpg could not list them; an empty list means no keys.
    """
    found = gpg.list_keys(secret=secret, keys=of)
    if found.returncode:
        said = " ".join(str(found.stderr).split())[-200:]
        raise GpgError(str(gpg.gnupghome or "gpg"), f"its keys cannot be listed ({said or f'status {found.returncode}'})")
    return found


def waiting(what: str, seconds: float) -> str:
    """The message that gpg is still running after ``seconds``, for :func:`locks.tell`."""
    left = seconds - limits.LOCK_SILENT
    return f"waiting for gpg ({what}); it may wait for another gpg or its agent; for {left:.0f} s more at most"


def opened(home: str | Path | None, *options: str) -> BoundGPG:
    """Open the gpg home ``home`` (None: gpg's default home) with python-gnupg. Raises GpgError."""
    try:
        return BoundGPG(gnupghome=None if home is None else str(home), options=list(options))
    except (OSError, ValueError, RuntimeError) as error:
        raise GpgError("gpg", str(error)) from error
