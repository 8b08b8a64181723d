"""A real server program on loopback: a free port, started, waited for until it answers, and ended with the block."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def free_port() -> Iterator[int]:
    """A TCP port of 127.0.0.1 that nothing listens on, and that the kernel gives to nobody else until the block ends.

    It is bound here, without listening; SO_REUSEADDR, which servers set, lets one of them listen on it all the same.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@contextmanager
def running(
    words: Sequence[str], port: int, log: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``words``, which stays in the foreground and listens on ``port``. Raises RuntimeError with ``log`` if it does not."""
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env) as process:
        try:
            for _ in range(1200):
                if process.poll() is not None:
                    break
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            else:
                process.terminate()
            if process.poll() is not None:
                said = log.read_text() if log and log.exists() else ""
                raise RuntimeError(f"{words[0]} does not answer on port {port}: {said}")
            yield process
        finally:
            process.terminate()
