"""Started by :mod:`tests.testkit.warm`: it imports, waits for a request, forks, and the child becomes the program.

Only modules of Python's own library are imported before: what Portage and portage-ext import of themselves depends on the
environment variables of the run.
"""

from __future__ import annotations

import array
import asyncio
import asyncio.staggered
import bz2
import configparser
import contextlib
import ctypes
import difflib
import filecmp
import gc
import glob
import gzip
import http.client
import ipaddress
import json
import lzma
import multiprocessing.connection
import multiprocessing.popen_fork
import os
import pty
import select
import shlex
import socket
import sys
import tarfile
import textwrap
import types
import urllib.request
import xml.dom.minidom
import xml.etree.ElementTree

__all__ = [
    "array", "asyncio", "bz2", "configparser", "contextlib", "ctypes", "difflib", "filecmp", "glob", "gzip", "http",
    "ipaddress", "lzma", "multiprocessing", "pty", "shlex", "tarfile", "textwrap", "urllib", "xml",
]  # fmt: skip


def serve(channel: socket.socket, largest: int) -> None:
    """Fork for each request of ``largest`` bytes at most until the tests end. Returns in each child, to become the program."""
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    running: dict[int, tuple[int, int]] = {}
    """By a descriptor of a child: its number, and where to report."""
    while True:
        for ready, _ in poll.poll():
            if ready != channel.fileno():
                child, report = running.pop(ready)
                poll.unregister(ready)
                _, status, usage = os.wait4(child, 0)
                with contextlib.suppress(BrokenPipeError):  # they wait for it no longer
                    os.write(report, f"{os.waitstatus_to_exitcode(status)} {usage.ru_utime + usage.ru_stime}\n".encode())
                os.close(report)
                os.close(ready)
                continue
            request, descriptors, _, _ = socket.recv_fds(channel, largest, 4)
            if not request:
                # The tests have ended. What they left behind is theirs to end.
                os._exit(0)
            child = os.fork()
            if not child:
                for number, (_, other) in running.items():
                    os.close(number)
                    os.close(other)
                channel.close()
                become(json.loads(request), descriptors)
                return
            *standard, report = descriptors
            for number in standard:
                os.close(number)
            os.write(report, f"{child}\n".encode())
            handle = os.pidfd_open(child)
            running[handle] = (child, report)
            poll.register(handle, select.POLLIN)


def become(request: dict[str, object], descriptors: list[int]) -> None:
    """Take over the words, the variables, the folder, the umask and the standard streams of ``request``."""
    words, variables = request["words"], request["variables"]
    assert isinstance(words, list)
    assert isinstance(variables, dict)
    *standard, report = descriptors
    os.close(report)
    for place, number in enumerate(standard):
        os.dup2(number, place)
        os.close(number)
    os.umask(int(str(request["umask"]), 8))
    os.chdir(str(request["cwd"]))
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = words
    sys.orig_argv = [sys.executable, *words]
    sys.path[0] = os.path.dirname(words[0])


def main() -> None:
    """Serve; in a child, run the program as Python runs a file."""
    # A collection in a child would touch, and so copy, all that was imported here.
    gc.collect()
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
    module = types.ModuleType("__main__")
    module.__file__ = sys.argv[0]
    sys.modules["__main__"] = module
    with open(sys.argv[0], "rb") as file:
        code = compile(file.read(), sys.argv[0], "exec")
    exec(code, module.__dict__)


if __name__ == "__main__":
    main()
