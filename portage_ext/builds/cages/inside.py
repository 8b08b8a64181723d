"""The first process of a cage mounts the root, drops its privileges, starts the command, and waits for all other processes.

``isolation`` starts it with unshare(1) as process 1 of a new PID namespace. When it ends, the kernel kills everything
that the command has started, also daemons. This module uses only the standard library and writes only to file systems that it
has mounted. pivot_root(8) and setpriv(1) are part of util-linux, which is in Gentoo's @system.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from portage_ext.builds.cages import mounts
from portage_ext.builds.cages.cage import ALLOWED, CAGE_FAILED, RESULTS_REFUSED, Bind, Cage, Over, parse
from portage_ext.builds.cages.upper import Copying

_CAPABILITIES: Final = ("chown", "dac_override", "fowner", "fsetid", "kill", "setfcap", "setgid", "setuid")
"""The capabilities that emerge needs as root to unpack, build and package. None of them gives access to the kernel, devices or
mounts."""
_DEVICES: Final = ("full", "null", "random", "tty", "urandom", "zero")
_HIDDEN: Final = ("kcore", "keys", "sysrq-trigger", "timer_list")
_READ_ONLY: Final = ("bus", "fs", "irq", "sys")


def main() -> int:
    """Read the cage from standard input, set it up, and run its command when that is allowed. Returns the exit status of the
    command."""
    cage = parse(sys.stdin.buffer.readline())
    # Open these directories before the old root is unmounted. Processes in the cage have fewer capabilities than this process,
    # so they cannot reach the descriptors through /proc (ptrace(2), access mode checking).
    out, keep = _held(cage.out), _held(cage.keep)
    try:
        written = _mount_root(cage)
        words = _words(cage)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"portage-ext: cannot make the cage of {cage.name}: {_why(error)}", file=sys.stderr)
        return CAGE_FAILED
    status = _run(words, cage)
    if status == 0 and (out >= 0 or keep >= 0):
        _kill_everything()
        try:
            if out >= 0:
                _take_out(Path(cage.results), out, cage.bounds.results)
            if keep >= 0:
                Copying(cage.bounds.disk).directory(written, keep)
        except OSError as error:
            print(f"portage-ext: the results of {cage.name} cannot be taken: {error}", file=sys.stderr)
            return RESULTS_REFUSED
    return status


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


def _take_out(results: Path, out: int, most: int) -> None:
    """Copy the regular files below ``results`` into the directory ``out``, at most ``most`` bytes.

    Raises OSError for more bytes or for anything but regular files.
    """
    left = most
    for top, directories, names in os.walk(results):
        inside = Path(top).relative_to(results)
        for name in directories:
            if (Path(top) / name).is_symlink():
                raise OSError(f"{inside / name} is a symbolic link")
            os.mkdir(inside / name, 0o700, dir_fd=out)
        for name in names:
            path = Path(top, name)
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(fd, "rb") as source:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise OSError(f"{inside / name} is no regular file")
                left -= os.fstat(fd).st_size
                if left < 0:
                    raise OSError(f"they are larger than {most} bytes")
                target = os.open(inside / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=out)
                with open(target, "wb") as copy:
                    shutil.copyfileobj(source, copy)
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
    scratch = Path(cage.scratch)
    # Make all mounts private, so that mounts made here are not visible on the host.
    mounts.make_private("/")
    mounts.mount("tmpfs", cage.scratch, f"size={cage.bounds.disk}", "mode=0755", "nosuid", "nodev", source="cage")
    root = scratch / "root"
    root.mkdir()
    upper = _mount_over(scratch, root, cage.layers[0], "0")
    for name in cage.empty:
        _directory(root, name)
        mounts.mount("tmpfs", str(root) + name, "mode=1777", "nosuid", "nodev")
    _mount_dev(root)
    _mount_proc(root)
    _directory(root, "/sys")
    mounts.mount("tmpfs", f"{root}/sys", "size=0", "mode=0555", "ro")
    # Mount these last, so that no other mount covers them: a Prefix can be at any path.
    for number, over in enumerate(cage.layers[1:], 1):
        upper = _mount_over(scratch, root, over, str(number))
    for bind in cage.binds:
        _bind(root, bind)
    written = _held(str(upper))
    os.chdir(root)
    old = root / ".old-root"
    old.mkdir(exist_ok=True)
    _call("pivot_root", ".", ".old-root")
    os.chroot(".")
    os.chdir("/")
    mounts.detach("/.old-root")
    os.rmdir("/.old-root")
    return written


def _mount_over(scratch: Path, root: Path, over: Over, name: str) -> Path:
    upper, work = scratch / f"upper.{name}", scratch / f"work.{name}"
    upper.mkdir()
    work.mkdir()
    _directory(root, over.inside)
    # Escape commas and colons, because overlayfs uses them to separate options and layers.
    lower = ":".join(re.sub(r"[\\:,]", lambda found: "\\" + found[0], path) for path in over.lower)
    options = f"lowerdir={lower}", f"upperdir={upper}", f"workdir={work}"
    mounts.mount("overlay", f"{root}{over.inside}", *options, "nosuid", "nodev")
    return upper


def _mount_dev(root: Path) -> None:
    _directory(root, "/dev")
    mounts.mount("tmpfs", f"{root}/dev", "mode=0755", "nosuid", "size=64k", source="dev")
    for name in _DEVICES:
        (root / "dev" / name).touch()
        mounts.bind(f"/dev/{name}", f"{root}/dev/{name}")
    for name in ("shm", "pts"):
        (root / "dev" / name).mkdir()
    mounts.mount("tmpfs", f"{root}/dev/shm", "mode=1777", "nosuid", "nodev", source="shm")
    mounts.mount("devpts", f"{root}/dev/pts", "newinstance", "ptmxmode=0666", "mode=0620", "nosuid", "noexec")
    for name, target in (
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "fd/0"),
        ("stdout", "fd/1"),
        ("stderr", "fd/2"),
    ):
        (root / "dev" / name).symlink_to(target)


def _mount_proc(root: Path) -> None:
    _directory(root, "/proc")
    mounts.mount("proc", f"{root}/proc", "nosuid", "nodev", "noexec")
    for name in _HIDDEN:
        if (root / "proc" / name).exists():
            mounts.bind("/dev/null", f"{root}/proc/{name}")
    for name in _READ_ONLY:
        if (root / "proc" / name).exists():
            mounts.bind(f"{root}/proc/{name}", f"{root}/proc/{name}", "ro", "nosuid", "nodev", "noexec")


def _bind(root: Path, bind: Bind) -> None:
    source, inside = Path(bind.source), Path(str(root) + bind.inside)
    if source.is_dir():
        _directory(root, bind.inside)
    else:
        _directory(root, os.path.dirname(bind.inside))
        inside.touch()
    mounts.bind(str(source), str(inside), "nosuid", "nodev", *([] if bind.writable else ["ro"]))


def _directory(root: Path, inside: str) -> None:
    """Make a directory in the cage. A symbolic link in its path is refused: a hostile layer could use it to point outside."""
    path = root
    for part in Path(inside).parts[1:]:
        path /= part
        if path.is_symlink():
            raise OSError(f"{inside} leads through the symbolic link {path.relative_to(root)} of a layer")
        path.mkdir(exist_ok=True)


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
    told = int(sys.argv[2])
    os.set_inheritable(told, False)
    status = main()
    os.write(told, b"ended")  # what ends without this word was killed
    sys.exit(status)
