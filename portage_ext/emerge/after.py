"""A Portage program that changes PKGDIR leaves a mark before the change. When it ends, one process does the work after it.

The work runs in a separate process (``portage-ext after-emerge``) with the configuration of the system, not that of this run.
It does not inherit the variables or modules of this run: after an upgrade of Portage or portage-ext, emerge still has the old
modules. The work starts after the merge, so its success or failure cannot affect the merge. Only its process starts earlier: it
imports its modules while emerge merges (tasks/ahead).
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import portage

from portage_ext.config import table, unattended
from portage_ext.config.unattended import OFF, after_emerge_configured
from portage_ext.emerge import messages
from portage_ext.errors import SettingsError
from portage_ext.host import elog
from portage_ext.unattended import log, marks
from portage_ext.unattended.marks import HeldMark

_PASSED_ON: Final = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TERM", "TMPDIR", "TZ", "NO_COLOR", "PYTHONPATH"),
    *("GNUPGHOME", "GPG_VERIFY_USER_DROP", "GPG_VERIFY_GROUP_DROP", "PORTAGE_EXT_SAID"),
    *("PORTAGE_CONFIGROOT", "ROOT", "SYSROOT", "EPREFIX", "PORTAGE_OVERRIDE_EPREFIX"),
)
"""The variables that the work inherits: locations only. PKGDIR and FEATURES of a single run do not describe the binhost."""

_WRITTEN: Final = ("Packages", "Packages.gz")
"""The forms of the index that Portage writes."""

_marks: dict[tuple[int, str, str], HeldMark | None] = {}
"""Marks by process, configuration root and PKGDIR: a forked child that changes PKGDIR leaves its own mark."""

_former: dict[int, list[int]] = {}
"""By process: the forms of the index of PKGDIR, open as they were before the first change. The work copies parts of them."""

_waiting: dict[int, tuple[subprocess.Popen[bytes], socket.socket]] = {}
"""By process: the work's process that waits for the end of this emerge, and the other end of its stdin."""


def mark(root: str, pkgdir: str, *, emerge: bool) -> None:
    """Note that this process is about to change ``pkgdir``; ``emerge``: :func:`finish` will be called.

    Where [binhost] of ``root`` asks for work after emerge, it leaves a mark, and an emerge starts the process. Raises OSError.
    """
    key = (os.getpid(), root, pkgdir)
    if key not in _marks:
        _marks[key] = None
        if not _wanted(Path(root)):
            return
        _marks[key] = HeldMark(Path(root), Path(pkgdir))
        if not emerge:
            atexit.register(_at_exit, os.getpid(), root)
        elif os.getpid() not in _former:
            _former[os.getpid()] = list(_opened(pkgdir))
    if emerge and _marks[key] is not None:
        _start_ahead(root)


def _wanted(root: Path) -> bool:
    if not after_emerge_configured(root):
        return False
    try:
        # No other table: this emerge pays for each.
        top = table.whole(root)
        return top is not None and unattended.read(top).after_emerge != OFF
    except SettingsError:
        return True  # the work says what is wrong with the file


def _opened(pkgdir: str) -> Iterator[int]:
    for name in _WRITTEN:
        with contextlib.suppress(OSError):
            yield os.open(f"{pkgdir}/{name}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)


def marked() -> bool:
    """Whether this process has left a mark, so that the index will be written again after it."""
    return any(held is not None and key[0] == os.getpid() for key, held in _marks.items())


def finish(root: str, settings: Any = None) -> int:
    """Do the work for this process, which changes nothing any more, and for runs that died. Returns an exit status.

    In an emerge, ``settings`` is its configuration: the result is written to emerge.log, and a failure also to elog. The
    status is also 0 if there is nothing to do, or if another process does it.
    """
    for key in [key for key in _marks if key[0] == os.getpid()]:
        held = _marks.pop(key)
        if held is not None:
            held.release()
    waiting, former = _waiting.pop(os.getpid(), None), _former.pop(os.getpid(), [])
    try:
        return _worked(root, settings, waiting, former)
    finally:
        for descriptor in former:
            os.close(descriptor)


def _worked(
    root: str, settings: Any, waiting: tuple[subprocess.Popen[bytes], socket.socket] | None, former: Sequence[int]
) -> int:
    if os.environ.get(marks.LATER) == "later" or not marks.free(Path(root)):
        if waiting is not None:
            process, ours = waiting
            process.kill()  # it has not begun
            process.wait()
            ours.close()
        return 0
    sys.stdout.flush()
    before = log.last(Path(root))
    status = marks.NOT_TOLD if waiting is None else _told(*waiting, former)
    if status == marks.NOT_TOLD:
        status = subprocess.run(_words(root), stdin=subprocess.DEVNULL, **_surroundings(), check=False).returncode
    if status < 0 or status > 1:
        messages.line(
            f"after-emerge FAILED: it ended with status {status}. The next run tries again; or run portage-ext after-emerge"
        )
    said = log.last(Path(root))
    if settings is not None and said is not None and said != before:
        from _emerge.emergelog import emergelog

        emergelog(False, f" *** portage-ext: {said.line}")
        if not said.ok:
            elog.send(settings, [said.line], error=True)
    return 1 if status else 0


def _words(root: str) -> Sequence[str]:
    return sys.executable, "-P", "-m", "portage_ext.cli.main", "after-emerge", "--pending", "--config-root", root


def _surroundings() -> Mapping[str, Any]:
    environment = {name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith("LC_")}
    # Its one line goes to stderr: scripts read the stdout of Portage's programs.
    return {"stdout": 2, "env": environment, "cwd": "/"}


def _start_ahead(root: str) -> None:
    """Have a process that waits for the end of this emerge. Without it, :func:`finish` starts one."""
    there = _waiting.get(os.getpid())
    if os.environ.get(marks.LATER) == "later" or (there is not None and there[0].poll() is None):
        return
    words = (*_words(root), "--ahead", str(time.time_ns()))
    # Ctrl-C is for emerge. The process takes it only after it has begun.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        with contextlib.suppress(OSError):
            ours, theirs = socket.socketpair()
            with theirs:
                _waiting[os.getpid()] = subprocess.Popen(words, stdin=theirs.fileno(), **_surroundings()), ours
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _told(process: subprocess.Popen[bytes], ours: socket.socket, former: Sequence[int]) -> int:
    """Tell ``process`` that this emerge has ended, hand it the descriptors ``former``, and wait for it.

    Returns its exit status, NOT_TOLD if it has not begun.
    """
    with ours:
        try:
            # To write to a pipe that nobody reads would kill emerge, which keeps SIGPIPE as it is.
            handed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", former))] if former else []
            ours.sendmsg([b"\n"], handed, socket.MSG_NOSIGNAL)
        except OSError:
            process.wait()
            return marks.NOT_TOLD
    return process.wait()


def _at_exit(pid: int, root: str) -> None:
    """Do the work at the end of ebuild, quickpkg or emaint. A failure replaces their exit status."""
    # An emerge that has quickpkg save what it is about to unmerge works after both.
    if os.getpid() != pid or "__PORTAGE_INHERIT_VARDB_LOCK" in os.environ:
        return
    try:
        status = finish(root)
    except Exception as error:  # noqa: BLE001 - the last thing that happens; it must be told, and nothing else can go wrong
        messages.line(f"after-emerge FAILED: {type(error).__name__}: {error}")
        status = 1
    if status:
        portage.process.run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
