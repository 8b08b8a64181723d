"""The program zstd is run with options of ours only, within a time and, by prlimit of util-linux, an amount of memory.

Python's module zstandard brings its own library, whose output may differ from that of the program with which Portage has
compressed a package. So what must have the same bytes goes through the program.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator
from typing import IO, Final

from portage_ext import limits
from portage_ext.errors.deltas import DeltaError
from portage_ext.limits import deltas as bounds

_VERSION: Final = re.compile(rb"\bv(\d{1,3}\.\d{1,3}\.\d{1,3})\b")


def version(package: str) -> str:
    """The version of the program, which is to be used for ``package``. Raises DeltaError."""
    try:
        done = subprocess.run(
            ("zstd", "--version"), env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False
        )
    except FileNotFoundError:
        raise DeltaError(package, "zstd is not installed") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeltaError(package, f"zstd cannot be run ({type(error).__name__})") from error
    match = _VERSION.search(done.stdout)
    if done.returncode or match is None:
        raise DeltaError(package, "zstd does not tell its version")
    return match[1].decode()


def feed(package: str, words: tuple[str, ...], blocks: Iterable[bytes], out: int, memory: int, base: int | None = None) -> None:
    """Write ``blocks`` to zstd with the options ``words``; its output goes to the descriptor ``out``.

    The program may take ``memory`` bytes and inherits the descriptor ``base``. Raises DeltaError, and what ``blocks`` raises.
    """
    with running(package, words, memory, subprocess.PIPE, out, base) as process:
        assert process.stdin is not None
        # Where SIGPIPE ends this process, as it does emerge, a program that ends early must not do so.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGPIPE,))
        try:
            with contextlib.suppress(BrokenPipeError):  # it has ended, and its exit status says so
                for block in blocks:
                    process.stdin.write(block)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def running(
    package: str, words: tuple[str, ...], memory: int, stdin: int | IO[bytes], stdout: int, base: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run zstd during the block, and then wait for its end. See :func:`feed`. Raises DeltaError if it fails."""
    kept = () if base is None else (base,)
    try:
        process = subprocess.Popen(
            ("prlimit", f"--as={memory}", "--core=0", "--", "zstd", "-q", "-c", *words), env=_environment(), stdin=stdin,
            stdout=stdout, stderr=subprocess.DEVNULL, pass_fds=kept,
        )  # fmt: skip
    except FileNotFoundError:
        raise DeltaError(package, "prlimit (sys-apps/util-linux) is not installed") from None
    watchdog = threading.Timer(bounds.PROGRAM, process.kill)
    watchdog.start()
    try:
        yield process
        status = process.wait()
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
    if status:
        raise DeltaError(package, f"zstd ended with status {status} (it may use {memory // limits.MIB} MiB of memory)")


def _environment() -> dict[str, str]:
    """Without ZSTD_CLEVEL and ZSTD_NBTHREADS, which zstd reads; and without an arena of 64 MiB for each thread of zstd."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "MALLOC_ARENA_MAX": "1"}
