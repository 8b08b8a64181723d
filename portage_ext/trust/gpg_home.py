"""python-gnupg with a bound: a gpg that hangs, over a lock or an agent that does not answer, is announced and then ended.

python-gnupg itself waits for ever. Slow to import; only what manages keys needs it.
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
    """Each gpg that it starts is ended after limits.GPG_TIMEOUT. Raises GpgError then."""

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


def listed(gpg: gnupg.GPG, *, secret: bool = False) -> Any:
    """The keys of a home. Raises GpgError where gpg could not list them, which is not the same as that there are none."""
    found = gpg.list_keys(secret=secret)
    if found.returncode:
        said = " ".join(str(found.stderr).split())[-200:]
        raise GpgError(str(gpg.gnupghome or "gpg"), f"its keys cannot be listed ({said or f'status {found.returncode}'})")
    return found


def waiting(what: str, seconds: float) -> str:
    """That gpg takes its time, for :func:`locks.tell`."""
    left = seconds - limits.LOCK_SILENT
    return f"waiting for gpg ({what}); it may wait for another gpg or its agent; for {left:.0f} s more at most"


def opened(home: str | Path | None, *options: str) -> BoundGPG:
    """python-gnupg on the gpg home ``home`` (None: gpg's own default). Raises GpgError."""
    try:
        return BoundGPG(gnupghome=None if home is None else str(home), options=list(options))
    except (OSError, ValueError, RuntimeError) as error:
        raise GpgError("gpg", str(error)) from error
