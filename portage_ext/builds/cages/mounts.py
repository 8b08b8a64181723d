"""A cage has dozens of mounts, so they are made by system calls: a process for each would take most of the time to set it up.

This module uses only the standard library, because it runs in the first process of a cage.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_FLAGS: Final = {"ro": os.ST_RDONLY, "nosuid": os.ST_NOSUID, "nodev": 4, "noexec": 8}
"""Options of mount(8) that are flags of mount(2). statvfs(3) has the same values."""
_REMOUNT: Final = 0x20
_BIND: Final = 0x1000
_RECURSIVE: Final = 0x4000
_PRIVATE: Final = 0x40000
_DETACH: Final = 2
_DATA: Final = 4095
"""mount(2) reads at most one page of options of a file system."""


def mount(kind: str, target: str, *options: str, source: str = "") -> None:
    """Mount a file system of type ``kind`` on ``target``. Raises OSError."""
    flags = sum(_FLAGS.get(option, 0) for option in options)
    _mount(source or kind, target, kind, flags, ",".join(option for option in options if option not in _FLAGS))


def bind(source: str, target: str, *options: str) -> None:
    """Mount the file or directory ``source`` on ``target``, with ``options`` in addition to those of its mount. Raises
    OSError."""
    _mount(source, target, "", _BIND, "")
    if options:
        flags = sum(_FLAGS[option] for option in options) | (os.statvfs(target).f_flag & sum(_FLAGS.values()))
        _mount("", target, "", _REMOUNT | _BIND | flags, "")


def make_private(target: str) -> None:
    """Keep mounts that are made below ``target`` from other mount namespaces, and theirs from this one. Raises OSError."""
    _mount("", target, "", _RECURSIVE | _PRIVATE, "")


def detach(target: str) -> None:
    """Unmount ``target`` and everything below it, as ``umount --lazy`` does. Raises OSError."""
    if _LIBC.umount2(os.fsencode(target), _DETACH):
        raise _failed("umount", target)


def _mount(source: str, target: str, kind: str, flags: int, data: str) -> None:
    values = [os.fsencode(text) or None for text in (source, target, kind, data)]
    if len(values[3] or b"") > _DATA:
        raise OSError(errno.E2BIG, f"mount: its options are longer than {_DATA} bytes", target)
    if _LIBC.mount(values[0], values[1], values[2], ctypes.c_ulong(flags), values[3]):
        raise _failed(f"mount {kind}".strip(), target)


def _failed(what: str, target: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}", target)
