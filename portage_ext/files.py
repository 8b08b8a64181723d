"""Only this module replaces files.

A reader always sees the complete old or the complete new file, also after a crash: the new content goes to a temporary file
in the same directory, is flushed to disk and renamed, and the rename is flushed too.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

TEMPORARY_PREFIX = ".portage-ext."


def make_directory(path: Path, mode: int = 0o755) -> None:
    """Create ``path`` and missing parents, each with ``mode`` whatever the umask. Existing directories are not changed.

    ``Path.mkdir(parents=True)`` gives its mode to the last directory alone, and the umask's to the others. Raises OSError.
    """
    if path.is_dir():
        return
    make_directory(path.parent, mode)
    try:
        # Never with more than ``mode``, not even for a moment. The umask can only have removed bits.
        path.mkdir(mode)
    except FileExistsError:
        if not path.is_dir():
            raise
    else:
        path.chmod(mode)


def sync_directory(directory: Path) -> None:
    """Flush the names in ``directory`` to the disk. Raises OSError."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def temporary() -> TemporaryDirectory[str]:
    """A directory in TMPDIR that is removed when the block ends, or with the program.

    A program may end while a thread still runs gpg there (tasks/examination). What cannot be removed then is left, in silence.
    """
    from tempfile import TemporaryDirectory  # here: programs that start often have no use for it

    return TemporaryDirectory(prefix="portage-ext.", ignore_cleanup_errors=True)


@contextlib.contextmanager
def in_memory(content: bytes = b"") -> Iterator[int]:
    """A descriptor of a file that exists nowhere but in memory: nobody can change it between check and use.

    A child that inherits it can open it as ``/proc/self/fd/N``, also as another user.
    """
    fd = os.memfd_create("portage-ext", os.MFD_CLOEXEC)
    try:
        # One call as a rule, since each may wait for another thread. Who opens it again reads from the beginning anyway.
        done = 0
        while done < len(content):
            done += os.pwrite(fd, content[done:], done)
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def replacing(path: Path, *, mode: int = 0o644, group: int | None = None, lasting: bool = True) -> Iterator[IO[bytes]]:
    """Yield a binary file that becomes ``path`` when the block ends well, and vanishes when it does not.

    ``mode`` is set whatever the umask; ``group`` is a gid and is set when this user may. What is not ``lasting`` is worth
    nothing after a crash of the machine, and is not flushed to the disk. Raises OSError.
    """
    import tempfile  # here and below: processes that only read files, such as the fetchcommand, start faster without

    fd, name = tempfile.mkstemp(prefix=f"{TEMPORARY_PREFIX}{path.name}.", dir=path.parent)
    try:
        with open(fd, "wb") as file:
            yield file
            if group is not None:
                with contextlib.suppress(PermissionError):
                    os.fchown(file.fileno(), -1, group)
            os.fchmod(file.fileno(), mode)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:  # also an interrupt leaves no temporary file; it is raised again
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    if lasting:
        sync_directory(path.parent)


def replace_file(path: Path, data: bytes, *, mode: int = 0o644, group: int | None = None, lasting: bool = True) -> None:
    """Replace ``path`` by ``data`` in one step; see :func:`replacing`."""
    with replacing(path, mode=mode, group=group, lasting=lasting) as file:
        file.write(data)


class Together:
    """Files that take their names together. Each is flushed to the disk in a thread once it is complete."""

    def __init__(
        self, files: Sequence[IO[bytes]], threads: contextlib.ExitStack, *, mode: int, group: int | None, mtime: int | None
    ):
        self.files = files
        self._threads = threads
        self._mode, self._group, self._mtime = mode, group, mtime
        self._flushed: dict[int, Callable[[], None]] = {}

    def complete(self, file: IO[bytes]) -> None:
        """Nothing more is written to ``file``: the disk can begin. Raises OSError."""
        from portage_ext.beside import beside  # here: most programs replace single files only

        fd = file.fileno()
        if fd in self._flushed:
            return
        if self._group is not None:
            with contextlib.suppress(PermissionError):
                os.fchown(fd, -1, self._group)
        os.fchmod(fd, self._mode)
        file.flush()
        if self._mtime is not None:
            os.utime(fd, (self._mtime, self._mtime))
        self._flushed[fd] = self._threads.enter_context(beside(partial(os.fsync, fd)))

    def wait(self) -> None:
        """Wait until all files are on the disk. Raises OSError."""
        for file in self.files:
            self.complete(file)
        for flushed in self._flushed.values():
            flushed()


@contextlib.contextmanager
def replacing_together(
    paths: Sequence[Path], *, mode: int = 0o644, group: int | None = None, mtime: int | None = None
) -> Iterator[Together]:
    """Yield one binary file for each of ``paths`` (all in one directory); if the block succeeds, they take these names.

    The renames come last, directly after each other: everything that can fail for lack of space happens before the first.
    The last of ``paths`` is renamed last. ``mtime`` (seconds since 1970) is set on all. Raises OSError.
    """
    import tempfile

    names: list[str] = []
    files: list[IO[bytes]] = []
    try:
        for path in paths:
            fd, name = tempfile.mkstemp(prefix=f"{TEMPORARY_PREFIX}{path.name}.", dir=path.parent)
            names.append(name)
            files.append(open(fd, "wb"))  # noqa: SIM115 (closed below, whatever happens)
        with contextlib.ExitStack() as threads:
            together = Together(files, threads, mode=mode, group=group, mtime=mtime)
            yield together
            together.wait()
        for file in files:
            file.close()
        for name, path in zip(names, paths, strict=True):
            os.replace(name, path)
    except BaseException:  # also an interrupt leaves no temporary file; it is raised again
        for file in files:
            with contextlib.suppress(OSError):
                file.close()
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
        raise
    sync_directory(paths[0].parent)


def discard(path: Path) -> None:
    """Remove ``path`` if it is a regular file. A device such as /dev/null, a pipe or a link is left alone.

    Raises OSError.
    """
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISREG(path.lstat().st_mode):
            path.unlink()


def replace_link(path: Path, target: str) -> None:
    """Make ``path`` a symbolic link to ``target`` by one rename, also if it links elsewhere now. Raises OSError."""
    name = path.with_name(f"{TEMPORARY_PREFIX}{path.name}.{os.urandom(4).hex()}")
    try:
        os.symlink(target, name)
        os.replace(name, path)
    except BaseException:  # also an interrupt leaves no temporary file; it is raised again
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    sync_directory(path.parent)


_WRITE: Final = 2
"""SYNC_FILE_RANGE_WRITE."""


def begin_flush(fd: int) -> None:
    """Let the kernel begin to write what the file has, and do not wait: a later flush then has less to do.

    It only saves time (sync_file_range(2)), so an error is not reported.
    """
    import ctypes

    begin = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if begin is not None:
        begin.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
        begin(fd, 0, 0, _WRITE)


def sync_filesystem(directory: Path) -> None:
    """Flush the whole file system of ``directory``: one call instead of one for each of tens of thousands of files.

    Raises OSError, also for an earlier write of that file system that failed (syncfs(2)).
    """
    import ctypes

    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if library.syncfs(fd):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(directory))
    finally:
        os.close(fd)
