"""The process for the work after an emerge starts while emerge still merges, and begins when emerge tells it to.

Until then it only imports modules: it reads no configuration and looks at no package. If a file of an imported module was
replaced in the meantime, such as by an upgrade of Portage or portage-ext, the process starts again with the new files.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from array import array
from collections.abc import Callable, Sequence
from typing import Final

from portage_ext import limits
from portage_ext.host import pkgdir
from portage_ext.unattended.marks import NOT_TOLD

_HANDED: Final = 3
"""The descriptors that emerge hands over at most, one for each form of an index."""
_Stamp = tuple[int, int, int]
_MARGIN: Final = 2 * 10**9
"""Nanoseconds by which the time of a file may lie behind the clock."""


def load() -> None:
    """Import what the work needs after its start."""
    pkgdir.load()
    import tomllib  # noqa: F401

    from portage_ext.config import asking, snapshotting, updating  # noqa: F401
    from portage_ext.releases import restamp, taking  # noqa: F401
    from portage_ext.releases.gates import index, signatures  # noqa: F401
    from portage_ext.trust import gpg_home  # noqa: F401


def told(since: int, load: Callable[[], None] = load) -> Sequence[int] | None:
    """Import, and wait for a byte on stdin. None if none comes: emerge has ended without a word, or takes long.

    Also None if something cannot be imported, since emerge may be replacing just that: a later process may succeed, or says
    what is wrong. ``since`` is the time at which emerge started this process, in nanoseconds since 1970. Returns the
    descriptors that came with the byte: the forms of the index as emerge found them.
    """
    try:
        load()
    except Exception:  # noqa: BLE001 - half of an upgraded package can fail in every way
        return None
    stamps = _stamps()
    if not select.select([0], [], [], limits.AHEAD_WAIT)[0] or (former := _word()) is None:
        return None
    # Ctrl-C was for emerge until now; one that is pending is dropped.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if stamps is None or stamps != _stamps(since - _MARGIN):
        _start_again()
    return former


def _word() -> Sequence[int] | None:
    """Read a byte from stdin, and the descriptors that come with it. None at the end of the file."""
    try:
        emerge = socket.socket(fileno=os.dup(0))
    except OSError:  # a pipe
        return [] if os.read(0, 1) else None
    former = array("i")
    with emerge:
        word, handed, *_ = emerge.recvmsg(1, socket.CMSG_SPACE(_HANDED * former.itemsize), socket.MSG_CMSG_CLOEXEC)
    for level, kind, data in handed:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            former.frombytes(data[: len(data) - len(data) % former.itemsize])
    return list(former) if word else None


def _stamps(before: int | None = None) -> dict[str, _Stamp] | None:
    """Device, inode and mtime of the file of each module; None if one is gone, or changed after ``before``."""
    found: dict[str, _Stamp] = {}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str):
            try:
                status = os.stat(file)
            except OSError:
                return None
            # What replaces a file has a later ctime, whatever its mtime says.
            if before is not None and status.st_ctime_ns >= before:
                return None
            found[file] = (status.st_dev, status.st_ino, status.st_mtime_ns)
    return found


def _start_again() -> None:
    """Replace this process by one that imports everything again."""
    words = list(sys.orig_argv)
    at = words.index("--ahead")
    del words[at : at + 2]
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.execv(sys.executable, words)


__all__ = ["NOT_TOLD", "load", "told"]
