"""Programs of Portage and portage-ext start from a Python that has imported what they use of Python's own library.

A third of the CPU time of ``emerge --pretend`` is the start of Python and these imports, and the tests start such programs
some thousand times. A server for each Python forks, and the child runs the program's own file with the arguments, variables,
folder, umask and streams of the run; everything of Portage and portage-ext is imported there, as always. TESTS_COLD=1 has each
program start by itself.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import selectors
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

LARGEST = 1 << 17
"""Bytes of a request."""
SERVER = Path(__file__).with_name("warm_server.py")
COMMON = {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}
"""The environment of the server: what Python reads when it starts is the same there."""
AT_START = ("DYLD", "GLIBC", "LC_", "LD_", "MALLOC", "OPENSSL", "PYTHON", "TZ", "VIRTUAL_ENV")
"""Beginnings of variables that are read when a program starts."""
enabled = False
"""Only tests start programs so: a demo and a measurement show what a user has."""
spent = 0.0
"""Seconds of CPU time of what was started here, which ``os.times()`` of this process does not know."""
_making = threading.Lock()


def suits(words: Sequence[str], variables: Mapping[str, str]) -> bool:
    """The program may be started so: nothing in its environment counts before the program itself begins."""
    plain = variables.get("LANG") == COMMON["LANG"] and not any(name.startswith(AT_START) for name in variables)
    return enabled and plain and sum(map(len, words)) + sum(map(len, variables.values())) < LARGEST // 4


def run(
    python: Path, words: Sequence[str], variables: Mapping[str, str], cwd: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """As ``subprocess.run`` of ``python`` with ``words``, of which the first is a file, and no standard input."""
    with _making:
        channel = _server(python, os.getpid())
    request = {"words": list(words), "variables": dict(variables), "cwd": str(cwd), "umask": _umask()}
    pipes = [os.pipe() for _ in range(3)]
    nothing = os.open(os.devnull, os.O_RDONLY)
    given = [nothing, *(writing for _, writing in pipes)]
    socket.send_fds(channel, [json.dumps(request).encode()], given)
    for number in given:
        os.close(number)
    out, err, report = _read([reading for reading, _ in pipes], words, timeout)
    told = report.split()
    if len(told) != 3:
        raise RuntimeError(f"the server of {python} has ended: {words}")
    global spent
    spent += float(told[2])
    return subprocess.CompletedProcess(list(words), int(told[1]), _text(out), _text(err))


@functools.cache
def _server(python: Path, owner: int) -> socket.socket:
    """The connection to the server of ``python``, which ends with process ``owner``."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        number = theirs.fileno()
        # Its streams are of the kind that its children get.
        process = subprocess.Popen(
            [str(python), str(SERVER), str(number), str(LARGEST)],
            env=COMMON,
            cwd="/",
            pass_fds=[number],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def end() -> None:
        if os.getpid() == owner:
            ours.close()
            process.communicate()

    atexit.register(end)
    return ours


def _umask() -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("Umask:"))


def _read(numbers: Sequence[int], words: Sequence[str], timeout: float) -> list[bytes]:
    """What comes from the pipes ``numbers`` until they end; the last one tells the number of the process first."""
    found = {number: bytearray() for number in numbers}
    until = time.monotonic() + timeout
    with selectors.DefaultSelector() as waiting:
        for number in numbers:
            waiting.register(number, selectors.EVENT_READ)
        while waiting.get_map():
            ready = waiting.select(max(0.0, until - time.monotonic()))
            if not ready and time.monotonic() >= until:
                os.kill(int(found[numbers[-1]].split()[0]), signal.SIGKILL)
                for key in waiting.get_map().values():
                    os.close(key.fd)
                raise subprocess.TimeoutExpired(list(words), timeout)
            for key, _ in ready:
                if data := os.read(key.fd, 1 << 16):
                    found[key.fd] += data
                else:
                    waiting.unregister(key.fd)
                    os.close(key.fd)
    return [bytes(found[number]) for number in numbers]


def _text(data: bytes) -> str:
    """As ``subprocess`` reads text."""
    return data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
