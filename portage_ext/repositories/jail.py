"""Run a program isolated from this system: ``python -I jail.py SPECIFICATION PROGRAM ARGUMENT…``. Standard library only.

The program can read the whole system, but can write only to the directories in the specification. It has no network and no
access to the IPC of other processes, runs as the given user, cannot gain privileges through setuid programs, and has limits.
When this process dies, all processes of the program are killed. This needs root or user namespaces; the exit status is 125 if
they are not available.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
from typing import Any

UNAVAILABLE = 125
_NEWNS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
_REC, _PRIVATE, _BIND = 0x4000, 1 << 18, 0x1000
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _RDONLY = 442, -100, 0x8000, 1
_SET_PDEATHSIG, _SET_NO_NEW_PRIVS, _SIGKILL = 1, 38, 9

_libc = ctypes.CDLL(None, use_errno=True)


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def _done(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _separate(writable: list[str], network: bool) -> None:
    """Enter new namespaces in which everything except ``writable`` is read-only. Raises OSError."""
    uid, gid = os.geteuid(), os.getegid()
    flags = _NEWNS | _NEWIPC | _NEWPID | (0 if network else _NEWNET) | (_NEWUSER if uid else 0)
    _done(_libc.unshare(flags), "unshare")
    if uid:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    _done(_libc.mount(None, b"/", None, _REC | _PRIVATE, None), "mount")
    for path in writable:
        _done(_libc.mount(os.fsencode(path), os.fsencode(path), None, _BIND | _REC, None), f"mount {path}")
    _set_attributes("/", _MountAttributes(attr_set=_RDONLY))
    for path in writable:
        _set_attributes(path, _MountAttributes(attr_clr=_RDONLY))


def _set_attributes(path: str, attributes: _MountAttributes) -> None:
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    result = _libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), _AT_RECURSIVE, ctypes.byref(attributes), size)
    _done(result, f"mount_setattr {path}")


def _become(specification: dict[str, Any]) -> None:
    """Set the user and the limits for the program."""
    for name, most in specification["limits"].items():
        number = getattr(resource, name)
        hard = resource.getrlimit(number)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(number, (bound, bound))
    if specification["user"] is not None and os.geteuid() == 0:
        uid, gid, groups = specification["user"]
        os.setgroups(groups)
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o022)
    _done(_libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    # Set this last, because changing the user clears it.
    _done(_libc.prctl(_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "prctl")


def main() -> int:
    """Run the program. Returns its exit status, or 125 if it cannot be isolated."""
    specification, words = json.loads(sys.argv[1]), sys.argv[2:]
    try:
        if specification["apart"]:
            _separate(specification["writable"], specification["network"])
        if specification["writable"]:
            # Enter the directory again after mounting, because the current directory is still the read-only one.
            os.chdir(specification["writable"][0])
        child = os.fork()
        if child == 0:
            os.setsid()
            _become(specification)
            os.execvp(words[0], words)
    except OSError as error:
        print(f"{error.strerror or error}", file=sys.stderr)
        return UNAVAILABLE
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF


if __name__ == "__main__":
    status = main()
    # Exit here, because a child that failed to start must not continue with the code of its parent.
    os._exit(status)
