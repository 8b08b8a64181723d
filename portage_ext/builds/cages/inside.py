"""The first process of a cage mounts the root, drops its privileges, starts the command, and waits for all other processes.

``isolation`` starts it with unshare(1) as process 1 of a new PID namespace. When it ends, the kernel kills everything
that the command has started, also daemons. This module uses only the standard library and writes only to file systems that it
has mounted. pivot_root(8) and setpriv(1) are part of util-linux, which is in Gentoo's @system.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Final

from portage_ext.builds.cages import mounts
from portage_ext.builds.cages.cage import ALLOWED, CAGE_FAILED, RESULTS_REFUSED, Bind, Cage, Over, parse
from portage_ext.builds.cages.upper import Copying, copy_all

_CAPABILITIES: Final = ("chown", "dac_override", "fowner", "fsetid", "kill", "setfcap", "setgid", "setuid")
"""The capabilities that emerge needs as root to unpack, build and package. None of them gives access to the kernel, devices or
mounts."""
_DEVICES: Final = ("full", "null", "random", "tty", "urandom", "zero")
_HIDDEN: Final = ("kcore", "keys", "sysrq-trigger", "timer_list")
_READ_ONLY: Final = ("bus", "fs", "irq", "sys")


def main(members: Sequence[int]) -> int:
    """Read the cage from standard input, set it up, and run its command when that is allowed. Returns the exit status of the
    command. ``members`` are descriptors of the lists of members of the cage's control groups."""
    entering = _Entering(members)
    if not (line := sys.stdin.buffer.readline()):
        return CAGE_FAILED  # the process that started it does not need it after all
    cage = parse(line)
    # Open these directories before the old root is unmounted. Processes in the cage have fewer capabilities than this process,
    # so they cannot reach the descriptors through /proc (ptrace(2), access mode checking).
    out, keep = _held(cage.out), _held(cage.keep)
    try:
        written = _mount_root(cage)
        words = _words(cage)
        entering.finish()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"portage-ext: cannot make the cage of {cage.name}: {_why(error)}", file=sys.stderr)
        return CAGE_FAILED
    status = _run(words, cage)
    if status == 0 and (out >= 0 or keep >= 0):
        _kill_everything()
        try:
            if out >= 0:
                _take_out(cage.results, out, cage.bounds.results)
            if keep >= 0:
                Copying(cage.bounds.disk).directory(written, keep)
        except OSError as error:
            print(f"portage-ext: the results of {cage.name} cannot be taken: {error}", file=sys.stderr)
            return RESULTS_REFUSED
    return status


class _Entering:
    """Enters control groups. The kernel may take 0.1 s for the first process of a group, so the cage is set up beside it."""

    def __init__(self, members: Sequence[int]) -> None:
        self._members, self._failed = members, ""
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def finish(self) -> None:
        """Wait until this process, and so all that it starts from now on, is in the groups. Raises OSError."""
        self._thread.join()
        if self._failed:
            raise OSError(self._failed)

    def _work(self) -> None:
        for fd in self._members:
            try:
                os.write(fd, b"0")
            except OSError as error:
                self._failed = f"it cannot enter its control group: {error}"
            os.close(fd)


def _held(place: str) -> int:
    """A descriptor of the directory ``place``; -1 if ``place`` is empty."""
    return os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if place else -1


def _kill_everything() -> None:
    """Kill every other process of the cage and wait until all have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def _take_out(results: str, out: int, most: int) -> None:
    """Copy the regular files below ``results`` into the directory ``out``, at most ``most`` bytes.

    Raises OSError for more bytes or for anything but regular files.
    """
    left = most
    for top, directories, names in os.walk(results):
        inside = os.path.relpath(top, results)
        for name in directories:
            if os.path.islink(f"{top}/{name}"):
                raise OSError(f"{inside}/{name} is a symbolic link")
            os.mkdir(f"{inside}/{name}", 0o700, dir_fd=out)
        for name in names:
            fd = os.open(f"{top}/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(fd, "rb") as source:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise OSError(f"{inside}/{name} is no regular file")
                left -= os.fstat(fd).st_size
                if left < 0:
                    raise OSError(f"they are larger than {most} bytes")
                target = os.open(f"{inside}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=out)
                with open(target, "wb") as copy:
                    copy_all(source, copy)
                    copy.flush()
                    os.fsync(target)


def _why(error: OSError | subprocess.CalledProcessError) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"{' '.join(map(str, error.cmd))}: {(error.stderr or b'').decode('utf-8', 'replace').strip()}"
    return str(error)


def _mount_root(cage: Cage) -> int:
    """Mount the root of the cage and change to it. Nothing of the old root stays reachable.

    Returns a descriptor of the directory with everything that is written over the last layer.
    """
    # Make all mounts private, so that mounts made here are not visible on the host.
    mounts.make_private("/")
    mounts.mount("tmpfs", cage.scratch, f"size={cage.bounds.disk}", "mode=0755", "nosuid", "nodev", source="cage")
    root = f"{cage.scratch}/root"
    os.mkdir(root)
    upper = _mount_over(cage.scratch, root, cage.layers[0], "0")
    for name in cage.empty:
        _directory(root, name)
        mounts.mount("tmpfs", f"{root}{name}", "mode=1777", "nosuid", "nodev")
    _mount_dev(root)
    _mount_proc(root)
    _directory(root, "/sys")
    mounts.mount("tmpfs", f"{root}/sys", "size=0", "mode=0555", "ro")
    # Mount these last, so that no other mount covers them: a Prefix can be at any path.
    for number, over in enumerate(cage.layers[1:], 1):
        upper = _mount_over(cage.scratch, root, over, str(number))
    for bind in cage.binds:
        _bind(root, bind)
    written = _held(upper)
    os.chdir(root)
    os.makedirs(f"{root}/.old-root", exist_ok=True)
    _call("pivot_root", ".", ".old-root")
    os.chroot(".")
    os.chdir("/")
    mounts.detach("/.old-root")
    os.rmdir("/.old-root")
    return written


def _mount_over(scratch: str, root: str, over: Over, name: str) -> str:
    upper, work = f"{scratch}/upper.{name}", f"{scratch}/work.{name}"
    os.mkdir(upper)
    os.mkdir(work)
    _directory(root, over.inside)
    # Escape commas and colons, because overlayfs uses them to separate options and layers.
    lower = ":".join(re.sub(r"[\\:,]", lambda found: "\\" + found[0], path) for path in over.lower)
    options = f"lowerdir={lower}", f"upperdir={upper}", f"workdir={work}"
    mounts.mount("overlay", f"{root}{over.inside}", *options, "nosuid", "nodev")
    return upper


def _mount_dev(root: str) -> None:
    _directory(root, "/dev")
    mounts.mount("tmpfs", f"{root}/dev", "mode=0755", "nosuid", "size=64k", source="dev")
    for name in _DEVICES:
        _touch(f"{root}/dev/{name}")
        mounts.bind(f"/dev/{name}", f"{root}/dev/{name}")
    for name in ("shm", "pts"):
        os.mkdir(f"{root}/dev/{name}")
    mounts.mount("tmpfs", f"{root}/dev/shm", "mode=1777", "nosuid", "nodev", source="shm")
    mounts.mount("devpts", f"{root}/dev/pts", "newinstance", "ptmxmode=0666", "mode=0620", "nosuid", "noexec")
    for name, target in (
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "fd/0"),
        ("stdout", "fd/1"),
        ("stderr", "fd/2"),
    ):
        os.symlink(target, f"{root}/dev/{name}")


def _mount_proc(root: str) -> None:
    _directory(root, "/proc")
    mounts.mount("proc", f"{root}/proc", "nosuid", "nodev", "noexec")
    for name in _HIDDEN:
        if os.path.exists(f"{root}/proc/{name}"):
            mounts.bind("/dev/null", f"{root}/proc/{name}")
    for name in _READ_ONLY:
        if os.path.exists(f"{root}/proc/{name}"):
            mounts.bind(f"{root}/proc/{name}", f"{root}/proc/{name}", "ro", "nosuid", "nodev", "noexec")


def _bind(root: str, bind: Bind) -> None:
    inside = f"{root}{bind.inside}"
    if os.path.isdir(bind.source):
        _directory(root, bind.inside)
    else:
        _directory(root, os.path.dirname(bind.inside))
        _touch(inside)
    mounts.bind(bind.source, inside, "nosuid", "nodev", *([] if bind.writable else ["ro"]))


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


def _directory(root: str, inside: str) -> None:
    """Make a directory in the cage. A symbolic link in its path is refused: a hostile layer could use it to point outside."""
    path = root
    for part in filter(None, inside.split("/")):
        path = f"{path}/{part}"
        if os.path.islink(path):
            raise OSError(f"{inside} leads through the symbolic link {path.removeprefix(f'{root}/')} of a layer")
        try:
            os.mkdir(path)
        except FileExistsError:
            if not os.path.isdir(path):
                raise


def _words(cage: Cage) -> Sequence[str]:
    """The command line, with setpriv(1) before it to drop capabilities and to prevent that it gains new ones."""
    kept = ",".join(f"+{name}" for name in _CAPABILITIES)
    drop = [f"--bounding-set=-all,{kept}", "--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs"]
    return ["setpriv", *drop, "--", *cage.command]


def _run(words: Sequence[str], cage: Cage) -> int:
    """Run the command in a new session, reap all other processes that end meanwhile, and return the exit status."""
    if not cage.early and not _is_allowed():
        return CAGE_FAILED
    log, waits = os.dup(1), subprocess.PIPE if cage.early else subprocess.DEVNULL
    child = subprocess.Popen(
        words, stdin=waits, stdout=log, stderr=log, env=dict(cage.environment), cwd="/", start_new_session=True
    )
    signal.signal(signal.SIGTERM, lambda number, frame: child.kill())
    if child.stdin is not None:
        if not _is_allowed():
            return CAGE_FAILED
        with contextlib.suppress(BrokenPipeError), child.stdin as pipe:
            pipe.write(ALLOWED)
    while True:
        with contextlib.suppress(InterruptedError):
            ended, status = os.waitpid(-1, 0)
            if ended == child.pid:
                return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _is_allowed() -> bool:
    """Wait until the command may work. False if the process that started the cage has given up."""
    return sys.stdin.buffer.readline() == ALLOWED


def _call(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    told, *members = map(int, sys.argv[2:])
    for number in (told, *members):
        os.set_inheritable(number, False)
    status = main(members)
    os.write(told, b"ended")  # what ends without this word was killed
    sys.stderr.flush()
    os._exit(status)  # freeing each object before takes as long as some of the mounts
