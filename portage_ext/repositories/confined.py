"""Foreign code runs as the sync-user, isolated from this system, and for a limited time.

If the kernel does not allow namespaces (as in an unprivileged container), the code still runs as the sync-user and with limits,
as Portage does if FEATURES=network-sandbox is not possible. ``lacking`` returns the reason, and the caller must tell the user.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from portage_ext.errors.repositories import ConfinementError
from portage_ext.limits import repositories as limits
from portage_ext.repositories import jail
from portage_ext.repositories.user import User

_PROBE_SECONDS: Final = 30.0


def started(
    words: Sequence[str],
    *,
    user: User | None,
    writable: Sequence[Path],
    environment: Mapping[str, str],
    network: bool = False,
    errors: int = subprocess.DEVNULL,
    largest_file: int = limits.READER_FILE,
    memory: int = limits.READER_MEMORY,
) -> subprocess.Popen[bytes]:
    """Start ``words`` with pipes as stdin and stdout. It can only write to the directories ``writable`` and runs in the first
    one.

    Killing the returned process also kills everything that it started. Raises ConfinementError, OSError.
    """
    return subprocess.Popen(
        _command(words, user, writable, network, largest_file, memory, apart=lacking() is None),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        cwd=writable[0],
        env={**environment, "TMPDIR": str(writable[0])},
        close_fds=True,
    )


def run(
    words: Sequence[str],
    *,
    user: User | None,
    writable: Sequence[Path],
    environment: Mapping[str, str],
    seconds: float,
    network: bool = False,
    largest_file: int = limits.READER_FILE,
    memory: int = limits.READER_MEMORY,
) -> subprocess.CompletedProcess[bytes]:
    """Run ``words`` and return its output. Raises ConfinementError if it takes more than ``seconds``, OSError."""
    with started(
        words,
        user=user,
        writable=writable,
        environment=environment,
        network=network,
        errors=subprocess.PIPE,
        largest_file=largest_file,
        memory=memory,
    ) as process:
        try:
            out, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise ConfinementError(f"{words[0]} was not done after {seconds:g} s") from error
        except BaseException:  # kill it also after an interrupt; the exception is raised again
            process.kill()
            raise
    return subprocess.CompletedProcess(list(words), process.returncode, out, errors)


@cache
def lacking() -> str | None:
    """Why code cannot be isolated on this system; None if it can."""
    words = _command(["true"], None, [], False, limits.READER_FILE, limits.READER_MEMORY, apart=True)
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"


def _command(
    words: Sequence[str],
    user: User | None,
    writable: Sequence[Path],
    network: bool,
    largest_file: int,
    memory: int,
    *,
    apart: bool,
) -> list[str]:
    specification = {
        "apart": apart,
        "network": network,
        "user": [user.uid, user.gid, list(user.groups)] if user is not None and user.is_other else None,
        "writable": [os.fspath(path) for path in writable],
        "limits": {
            "RLIMIT_AS": memory,
            "RLIMIT_CORE": 0,
            "RLIMIT_FSIZE": largest_file,
            "RLIMIT_NOFILE": 1024,
        },
    }
    return [sys.executable, "-I", jail.__file__, json.dumps(specification), *words]
