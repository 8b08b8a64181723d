"""The end of a process is noticed at once, not at the next look of a loop: a build waits for several processes, one by one."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

_LOOK: Final = 0.05
"""Seconds between two looks with a kernel that has no pidfd_open(2) (before Linux 5.3)."""


def wait(pids: Sequence[int], seconds: float) -> None:
    """Wait until one of ``pids`` ends, but not longer than ``seconds``. They must be children that nobody has waited for."""
    with ExitStack() as stack:
        poll = select.poll()
        for pid in pids:
            try:
                fd = os.pidfd_open(pid)
            except OSError:
                time.sleep(min(seconds, _LOOK))
                return
            stack.callback(os.close, fd)
            poll.register(fd, select.POLLIN)
        poll.poll(max(0.0, seconds) * 1000)
