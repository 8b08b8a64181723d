"""Starts a cage and ends it: whatever happens to this process or to the build, nothing of it is left running or mounted.

The namespaces are unshare(1)'s; ``--kill-child`` has the kernel kill the cage's process 1, and with it the cage, when this
process dies. Memory and processes are bounded by a control group of its own where the system lets us make one (both versions
of the hierarchy). What is isolated by this, and what is not, is in docs/threat-model.md.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from portage_ext import limits
from portage_ext.builds.cage import Bounds, Cage
from portage_ext.errors.builds import IsolationError

_PROGRAMS: Final = ("unshare", "mount", "umount", "pivot_root", "setpriv")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
KILLED: Final = 128 + signal.SIGKILL
"""The exit status of a command, or a cage, that somebody has killed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended: its exit status (128 and more: a signal), and the bound that it met, empty for none."""

    status: int
    bound: str = ""


def check() -> None:
    """That this system can isolate a build. Raises IsolationError, which says what is missing."""
    if os.geteuid() != 0:
        raise IsolationError("it needs root: mounts and namespaces of a build that chowns files")
    if missing := [name for name in _PROGRAMS if shutil.which(name) is None]:
        raise IsolationError(f"it needs {', '.join(missing)} (sys-apps/util-linux)")


def run(cage: Cage, log: IO[bytes], *, cancelled: Callable[[], bool] = lambda: False) -> Ended:
    """Run the cage's command to its end, to a bound or until ``cancelled`` says so. Raises IsolationError, OSError."""
    check()
    words = ["unshare", "--mount", "--pid", "--ipc", "--uts", *([] if cage.network else ["--net"]), "--fork", "--kill-child"]
    words += ["--propagation", "private", "--", sys.executable, "-m", "portage_ext.builds.inside"]
    words.append(cage.scratch)  # for whoever looks at the list of processes
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "LC_ALL": "C",
    }
    parent = os.getpid()
    with _control_group(cage.bounds, cage.name) as group:
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: _begin(group, parent),
        )
        copying = threading.Thread(target=_copy, args=(process.stdout, log), daemon=True)
        copying.start()
        try:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(cage.emit())
                process.stdin.close()
            bound = _wait(process, cage.bounds, cancelled)
        finally:
            if process.poll() is None:
                # unshare's death kills process 1 of the cage, and with it the cage.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            group.kill()
            copying.join()
        return Ended(128 - process.returncode if process.returncode < 0 else process.returncode, bound or group.bound())


def _copy(said: IO[bytes], log: IO[bytes]) -> None:
    """Copy what the cage says into ``log``, as far as its bound; the rest is read away, so that the build never waits."""
    left = limits.BUILD_LOG
    while block := os.read(said.fileno(), limits.READ_BLOCK):
        if left > 0:
            log.write(block[:left])
            log.flush()
            if len(block) >= left:
                log.write(b"\nportage-ext: the log is longer than its bound; the rest is not kept\n")
                log.flush()
        left -= len(block)
    said.close()


def _wait(process: subprocess.Popen[bytes], bounds: Bounds, cancelled: Callable[[], bool]) -> str:
    until = time.monotonic() + bounds.seconds
    while time.monotonic() < until:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(min(limits.BUILD_LOOK, max(0.01, until - time.monotonic())))
            return ""
        if cancelled():
            return "cancelled"
    return "time"


def die_with_parent(parent: int) -> Callable[[], None]:
    """For a child, before it is executed: the kernel kills it when the process ``parent`` dies, however that dies."""

    def ask() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it has died meanwhile
            os.kill(os.getpid(), signal.SIGKILL)

    return ask


def _begin(group: _Group, parent: int) -> None:
    """In the child, before unshare(1) is executed: it dies with this process, even when that is killed."""
    group.enter()
    die_with_parent(parent)()


def clear() -> None:
    """Remove the control groups of runs that were killed. Raises OSError."""
    for top in (_CGROUPS, _CGROUPS / "memory", _CGROUPS / "pids"):
        for path in (top / "portage-ext").glob("*-*"):
            if not Path("/proc", path.name.rpartition("-")[2]).exists():
                _Group({"": path}).kill()
                path.rmdir()


class _Group:
    """A control group, or none where the system has none that we may use."""

    def __init__(self, paths: dict[str, Path]) -> None:
        self._paths = paths

    def enter(self) -> None:
        """Move the calling process into it; between fork and exec."""
        for path in self._paths.values():
            (path / "cgroup.procs").write_text("0")

    def kill(self) -> None:
        """Kill what is left in it, and wait until it is empty."""
        for path in self._paths.values():
            until = time.monotonic() + limits.BUILD_END
            while (left := (path / "cgroup.procs").read_text().split()) and time.monotonic() < until:
                for one in left:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(one), signal.SIGKILL)
                time.sleep(0.01)

    def bound(self) -> str:
        """The bound that the group met: memory, processes, or empty."""
        for name, file, key in (
            ("memory", "memory.events", "oom_kill"),
            ("memory", "memory.oom_control", "oom_kill"),
            ("processes", "pids.events", "max"),
        ):
            for path in self._paths.values():
                with contextlib.suppress(OSError):
                    values = dict(line.split() for line in (path / file).read_text().splitlines())
                    if int(values.get(key, 0)):
                        return name
        return ""


@contextlib.contextmanager
def _control_group(bounds: Bounds, name: str) -> Iterator[_Group]:
    made: dict[str, Path] = {}
    try:
        with contextlib.suppress(OSError):
            for kind, parent, values in _places(bounds):
                path = parent / "portage-ext" / f"{name}-{os.getpid()}"
                path.mkdir(parents=True)
                made[kind] = path
                for file, value in values.items():
                    if (path / file).exists():
                        (path / file).write_text(value)
        yield _Group(made)
    finally:
        for path in made.values():
            with contextlib.suppress(OSError):
                path.rmdir()


def _places(bounds: Bounds) -> Iterator[tuple[str, Path, dict[str, str]]]:
    """The hierarchies to make a group in, and what to write there (cgroups(7))."""
    if (_CGROUPS / "cgroup.controllers").exists():
        top = _CGROUPS / "portage-ext"
        top.mkdir(exist_ok=True)
        for place in (_CGROUPS, top):
            (place / "cgroup.subtree_control").write_text("+memory +pids")
        limit = {"memory.max": str(bounds.memory), "memory.swap.max": "0", "pids.max": str(bounds.processes)}
        yield "both", _CGROUPS, limit | {"memory.oom.group": "1"}
        return
    if (_CGROUPS / "memory/cgroup.procs").exists():
        yield "memory", _CGROUPS / "memory", {"memory.limit_in_bytes": str(bounds.memory)}
    if (_CGROUPS / "pids/cgroup.procs").exists():
        yield "pids", _CGROUPS / "pids", {"pids.max": str(bounds.processes)}
