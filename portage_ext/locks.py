"""One run at a time: a lock file that other users cannot hold, and a wait that is bounded and announced.

flock(2) does not need write permission: every user who can open a lock file can hold the lock for ever. So a lock file has
mode 0600. A file with another mode (from an older version, or after a chmod) may be held by another user through an open
descriptor. It is replaced by a new file, unless one of our runs holds it. A lock counts only while its file has the name.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from portage_ext import files, limits, shown
from portage_ext.errors import LockError

_POLL = 0.05


def tell(line: str) -> None:
    """Print ``line`` on stderr."""
    print(f"portage-ext: {shown.line(line)}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def held(path: Path, wait: float, say: Callable[[str], None] = tell) -> Iterator[None]:
    """Hold the lock file at ``path``, which is created if it is missing; its directory must exist.

    Waits for ``wait`` seconds at most, and announces a longer wait with ``say``. Raises LockError, OSError.
    """
    with tried(path, wait, say) as fd:
        if fd is None:
            raise LockError(str(path), too_long(path, wait))
        yield


@contextlib.contextmanager
def tried(path: Path, wait: float = 0, say: Callable[[str], None] = tell) -> Iterator[int | None]:
    """Like ``held``, but yields its descriptor, or None if the lock could not be taken. Raises LockError, OSError."""
    fd = _taken(path, wait, say)
    try:
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def too_long(path: Path, wait: float) -> str:
    """Why the lock ``path`` could not be taken within ``wait`` seconds, and what to do."""
    return f"{holder(path)} has held this lock for more than {wait:g} s; stop it if it hangs (fuser -v {path}), then try again"


def waiting(path: Path, wait: float, say: Callable[[str], None] = tell) -> Iterator[float]:
    """Pause before each further attempt at the lock ``path`` until the time is up; say once which process holds it.

    Yields the seconds that have passed.
    """
    begun, said = time.monotonic(), False
    while (passed := time.monotonic() - begun) < wait:
        if passed >= limits.LOCK_SILENT and not said:
            said = True
            say(f"waiting for {holder(path)}, which holds the lock {path} (at most {wait - passed:.0f} s more)")
        time.sleep(_POLL)
        yield passed


def holder(path: Path) -> str:
    """The process that holds the lock ``path``, as far as the kernel shows it to this user."""
    pids = [pid for pid in _holders(path) if pid > 0]
    if not pids:
        return "another process"
    pid = pids[0]
    name = ""
    with contextlib.suppress(OSError):
        name = Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    owner = _owner(pid)
    told = ", ".join([*([name] if name else []), *([f"of user {owner}"] if owner not in (None, os.geteuid()) else [])])
    return f"process {pid}{f' ({told})' if told else ''}"


def _taken(path: Path, wait: float, say: Callable[[str], None], *, replace: bool = True) -> int | None:
    """A descriptor that holds the lock; None if the time is up."""
    if (fd := _attempt(path, replace=replace)) is not None:
        return fd
    for _ in waiting(path, wait, say):
        if (fd := _attempt(path, replace=replace)) is not None:
            return fd
    return None


def _attempt(path: Path, *, replace: bool) -> int | None:
    fd = _opened(path)
    try:
        good = _is_ours(fd, path)
        if good and _locked(fd) and _is_at(fd, path):
            fd, taken = -1, fd
            return taken
        if good or not replace or not _may_replace(fd, path):
            return None
    finally:
        if fd >= 0:
            os.close(fd)
    _replace(path)
    return _attempt(path, replace=False)


def _opened(path: Path) -> int:
    """Open the file at ``path``. A new file has mode 0600 whatever the umask."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        while True:
            with contextlib.suppress(FileNotFoundError):
                fd = os.open(path, flags)
                break
            with contextlib.suppress(FileExistsError):
                fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
                os.fchmod(fd, 0o600)
                break
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise LockError(str(path), "it is a symbolic link and not a lock file; remove it") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise LockError(str(path), "it is not a regular file, so it cannot be a lock; remove it")
    return fd


def _trusted(path: Path) -> set[int]:
    """The users who may hold the lock: this user, root, and the owner of its directory, who can replace the file anyway."""
    return {os.geteuid(), 0, path.parent.stat().st_uid}


def _is_ours(fd: int, path: Path) -> bool:
    """Whether no other user can open the file."""
    status = os.fstat(fd)
    return status.st_mode & 0o077 == 0 and status.st_uid in _trusted(path)


def _may_replace(fd: int, path: Path) -> bool:
    """Whether a file that other users can open is held by nobody, or only by other users."""
    if _locked(fd):
        return True
    # Root sees which processes have the file open, also through a descriptor that a child has inherited.
    owners = _openers(fd) if os.geteuid() == 0 else {_owner(pid) for pid in _holders(path)}
    return bool(owners) and owners.isdisjoint({None, *_trusted(path)})


def _replace(path: Path) -> None:
    """Replace a lock file that other users can open. One process at a time does it. Raises LockError."""
    guard = path.with_name(f"{files.TEMPORARY_PREFIX}{path.name}.guard")
    fd = _taken(guard, limits.LOCK_SILENT, tell, replace=False)
    if fd is None:
        raise LockError(str(guard), f"{holder(guard)} holds this lock, or other users can open its file; remove it")
    try:
        old = _opened(path)
        try:
            if not _is_ours(old, path) and _may_replace(old, path):
                files.replace_file(path, b"", mode=0o600)
        finally:
            os.close(old)
        guard.unlink(missing_ok=True)
    except OSError as error:
        why = f"other users can open this lock file, and it cannot be replaced ({error.strerror}); remove it"
        raise LockError(str(path), why) from error
    finally:
        os.close(fd)


def _locked(fd: int) -> bool:
    """Take the lock, if it is free."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(fd: int, path: Path) -> bool:
    """Whether the open file still has the name: it may have been replaced during the wait."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _holders(path: Path) -> list[int]:
    """The processes that hold a lock on ``path``, from /proc/locks; by inode, since file systems differ in how devices show."""
    try:
        inode = path.stat().st_ino
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return []
    fields = [line.split() for line in lines]
    return [
        int(words[-4])
        for words in fields
        if len(words) >= 8 and words[1] != "->" and words[-3].rpartition(":")[2] == str(inode)
    ]


def _owner(pid: int) -> int | None:
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None


def _openers(fd: int) -> set[int | None]:
    """The users whose processes, other than this one, have the file open."""
    wanted = os.fstat(fd)
    found: set[int | None] = set()
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        # Processes and their files may disappear during the search.
        with contextlib.suppress(OSError):
            for one in os.scandir(process / "fd"):
                with contextlib.suppress(OSError):
                    if os.path.samestat(one.stat(), wanted):
                        found.add(process.stat().st_uid)
    return found
