"""A cage leaves no running process and no mount behind, no matter how this process or the build ends.

unshare(1) makes the namespaces. With ``--kill-child``, the kernel kills process 1 of the cage, and so the whole cage, when this
process dies. A control group limits memory and the number of processes if the system lets us create one (cgroup version 1 or
2). docs/threat-model.md says what this isolates and what it does not.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
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
from portage_ext.builds.cages import ending
from portage_ext.builds.cages.cage import ALLOWED, CAGE_FAILED, Bounds, Cage
from portage_ext.errors.builds import IsolationError
from portage_ext.limits import builds as builds_limits

_PROGRAMS: Final = ("unshare", "pivot_root", "setpriv")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_INSIDE: Final = "portage_ext.builds.cages.inside"
"""The module that sets up the cage. It runs without site (-S), because it needs only the standard library."""
_PR_SET_PDEATHSIG: Final = 1
_SYS_ADMIN: Final = 21
"""CAP_SYS_ADMIN of linux/capability.h."""
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_number: Final = itertools.count(1)
"""Numbers the control groups of this process, which can have several cages at once."""
KILLED: Final = 128 + signal.SIGKILL
"""The exit status of a command or cage that was killed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended: its exit status (128 or more: a signal), the limit that it exceeded (empty: none), and the end of
    its output."""

    status: int
    bound: str = ""
    said: bytes = b""


def check() -> None:
    """Check that this system can isolate a build. Raises IsolationError, which says what is missing."""
    if os.geteuid() != 0:
        raise IsolationError("only root can, because it makes mounts and files of other owners; run this command as root")
    if not _has_capability(_SYS_ADMIN):
        raise IsolationError(
            "this root has no CAP_SYS_ADMIN, as in an unprivileged container; run this command on the host, or give the "
            "container that capability"
        )
    if missing := [name for name in _PROGRAMS if shutil.which(name) is None]:
        raise IsolationError(f"it needs {', '.join(missing)} (sys-apps/util-linux)")


def _has_capability(number: int) -> bool:
    """Whether this process has a capability (capabilities(7)); True if the kernel does not say."""
    with contextlib.suppress(OSError, ValueError), open("/proc/self/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("CapEff:"):
                return bool(int(line.split()[1], 16) & 1 << number)
    return True


class Running:
    """A cage that is set up, or is being set up. Its command has not been allowed to work yet."""

    def __init__(self, cage: Cage, process: subprocess.Popen[bytes], group: _Group, told: int) -> None:
        """``told`` is a pipe to which the first process of the cage writes when it ends by itself."""
        self._cage, self._process, self._group, self._told = cage, process, group, told

    @property
    def lives(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process.poll() is None

    def finish(
        self, log: IO[bytes], *, before: Callable[[], None] = lambda: None, cancelled: Callable[[], bool] = lambda: False
    ) -> Ended:
        """Let the command work when ``before`` has passed, until it ends, exceeds a limit, or ``cancelled`` returns True.

        Its output goes to ``log``. If ``before`` fails, its exception is raised. Raises OSError.
        """
        process, tail = self._process, bytearray()
        assert process.stdin is not None
        copying = threading.Thread(target=_copy, args=(process.stdout, log, tail), daemon=True)
        copying.start()
        try:
            before()
            with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
                pipe.write(ALLOWED)
            bound = _wait(process, self._cage.bounds, cancelled)
        finally:
            self.end()
            copying.join()
        status = 128 - process.returncode if process.returncode < 0 else process.returncode
        if status < KILLED and not os.read(self._told, 8):
            # unshare(1) of util-linux 2.38 ends with status 1 if the first process was killed, as a failed build does.
            status = CAGE_FAILED
        return Ended(status, bound or self._group.bound(), bytes(tail))

    def end(self) -> None:
        """Kill everything in it."""
        _end(self._process, self._group)


@dataclass(frozen=True, slots=True)
class Begun:
    """The first process of a cage, which waits for the cage, and its control group, which has no limits yet. ``told`` is a pipe
    to which the process writes when it ends by itself."""

    process: subprocess.Popen[bytes]
    group: _Group
    told: int


@contextlib.contextmanager
def begun(where: str, *, network: bool = False) -> Iterator[Begun]:
    """Start the first process of a cage before it is known what the cage is, because that takes a while. It is gone when the
    block ends. ``where`` identifies it in the list of processes. Raises IsolationError, OSError."""
    check()
    words = ["unshare", "--mount", "--pid", "--ipc", "--uts", *([] if network else ["--net"]), "--fork", "--kill-child"]
    words += ["--propagation", "private", "--", sys.executable, "-S", "-m", _INSIDE]
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "LC_ALL": "C",
    }
    with _control_group() as group, _pipe() as (told, tells):
        try:
            with group.members() as members:
                process = subprocess.Popen(
                    [*words, where, str(tells), *map(str, members)],
                    pass_fds=(tells, *members),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,
                    preexec_fn=die_with_parent(os.getpid()),
                )
        finally:
            os.close(tells)
        try:
            yield Begun(process, group, told)
        finally:
            _end(process, group)
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()  # type: ignore[union-attr]


@contextlib.contextmanager
def started(cage: Cage, first: Begun | None = None) -> Iterator[Running]:
    """Begin to set up the cage, in ``first`` if it was begun before. It is gone when the block ends. Raises IsolationError,
    OSError."""
    with contextlib.ExitStack() as stack:
        if first is None:
            first = stack.enter_context(begun(cage.scratch, network=cage.network))
        stack.callback(_end, first.process, first.group)
        first.group.limit(cage.bounds)
        assert first.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            first.process.stdin.write(cage.emit())
            first.process.stdin.flush()
        yield Running(cage, first.process, first.group, first.told)


def _end(process: subprocess.Popen[bytes], group: _Group) -> None:
    if process.poll() is None:
        # When unshare dies, the kernel kills process 1 of the cage, and so the whole cage.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    group.kill()


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe, of which the first is closed at the end."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        os.close(ends[0])


def run(
    cage: Cage,
    log: IO[bytes],
    *,
    before: Callable[[], None] = lambda: None,
    cancelled: Callable[[], bool] = lambda: False,
    first: Begun | None = None,
) -> Ended:
    """:func:`started` and :meth:`Running.finish` in one step. Raises IsolationError, OSError."""
    with started(cage, first) as running:
        return running.finish(log, before=before, cancelled=cancelled)


def _copy(said: IO[bytes], log: IO[bytes], tail: bytearray) -> None:
    """Copy the output of the cage to ``log`` up to its size limit, and its end to ``tail``. The rest is read and discarded, so
    that the build never blocks."""
    left = builds_limits.BUILD_LOG
    while block := os.read(said.fileno(), limits.READ_BLOCK):
        tail += block
        del tail[: -builds_limits.BUILD_TAIL]
        if left > 0:
            log.write(block[:left])
            log.flush()
            if len(block) >= left:
                log.write(b"\nportage-ext: the log is longer than its bound; the rest is not kept\n")
                log.flush()
        left -= len(block)


def _wait(process: subprocess.Popen[bytes], bounds: Bounds, cancelled: Callable[[], bool]) -> str:
    until = time.monotonic() + bounds.seconds
    while time.monotonic() < until:
        ending.wait((process.pid,), min(builds_limits.BUILD_LOOK, until - time.monotonic()))
        if process.poll() is not None:
            return ""
        if cancelled():
            return "cancelled"
    return "time"


def die_with_parent(parent: int) -> Callable[[], None]:
    """Return a function for a child process to call before exec. The kernel then kills the child when ``parent`` dies."""

    def ask() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before prctl was called
            os.kill(os.getpid(), signal.SIGKILL)

    return ask


def clear() -> None:
    """Remove the control groups of runs that were killed. Raises OSError."""
    for top in (_CGROUPS, _CGROUPS / "memory", _CGROUPS / "pids"):
        for path in (top / "portage-ext").glob("*-*"):
            if not Path("/proc", path.name.rpartition("-")[2]).exists():
                _Group({"": path}).kill()
                path.rmdir()


class _Group:
    """A control group. If the system has none that we may use, all methods do nothing."""

    def __init__(self, paths: dict[str, Path]) -> None:
        self._paths = paths

    @contextlib.contextmanager
    def members(self) -> Iterator[list[int]]:
        """Give descriptors of its lists of members. A process that writes 0 to each enters the group (``inside``)."""
        with contextlib.ExitStack() as opened:
            yield [opened.enter_context((path / "cgroup.procs").open("wb")).fileno() for path in self._paths.values()]

    def limit(self, bounds: Bounds) -> None:
        """Set the limits that the system lets us set."""
        for kind, path in self._paths.items():
            for file, value in _limits(kind, bounds).items():
                if (path / file).exists():
                    with contextlib.suppress(OSError):
                        (path / file).write_text(value)

    def kill(self) -> None:
        """Kill all processes in the group and wait until it is empty."""
        for path in self._paths.values():
            until = time.monotonic() + builds_limits.BUILD_END
            while (left := (path / "cgroup.procs").read_text().split()) and time.monotonic() < until:
                for one in left:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(one), signal.SIGKILL)
                time.sleep(0.01)

    def bound(self) -> str:
        """The limit that the group reached: "memory", "processes", or empty."""
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
def _control_group() -> Iterator[_Group]:
    made: dict[str, Path] = {}
    try:
        with contextlib.suppress(OSError):
            for kind, parent in _places():
                path = parent / "portage-ext" / f"cage-{next(_number)}-{os.getpid()}"
                path.mkdir(parents=True)
                made[kind] = path
        yield _Group(made)
    finally:
        for path in made.values():
            with contextlib.suppress(OSError):
                path.rmdir()


def _places() -> Iterator[tuple[str, Path]]:
    """Yield the hierarchies in which to create a group (cgroups(7))."""
    if (_CGROUPS / "cgroup.controllers").exists():
        top = _CGROUPS / "portage-ext"
        top.mkdir(exist_ok=True)
        for place in (_CGROUPS, top):
            (place / "cgroup.subtree_control").write_text("+memory +pids")
        yield "both", _CGROUPS
        return
    for kind in ("memory", "pids"):
        if (_CGROUPS / kind / "cgroup.procs").exists():
            yield kind, _CGROUPS / kind


def _limits(kind: str, bounds: Bounds) -> dict[str, str]:
    """The files in which limits are set, and their values."""
    if kind == "memory":
        return {"memory.limit_in_bytes": str(bounds.memory)}
    pids = {"pids.max": str(bounds.processes)}
    memory = {"memory.max": str(bounds.memory), "memory.swap.max": "0", "memory.oom.group": "1"}
    return pids if kind == "pids" else memory | pids
