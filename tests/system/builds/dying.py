"""A command of portage-ext that is killed at a step of copying a package for a further target: ``dying.py N DIRECTORY WORD…``.

The steps are every call that changes a name below DIRECTORY or opens a file there to write it, the middle of a copied file, and
the time after each record in the ledger. At step N the process kills itself, before the call. With N = 0 it runs to its end and
prints the number of steps on stderr.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from typing import IO, Any

from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.cli import main

_NAMES = ("os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "os.utime")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Steps:
    """Counts steps, and ends at the one that is asked for."""

    def __init__(self, last: int, directory: str) -> None:
        self._last, self._directory = last, directory
        self.count = 0

    def step(self) -> None:
        self.count += 1
        if self.count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

    def heard(self, event: str, values: tuple[Any, ...]) -> None:
        """An audit hook (sys.addaudithook)."""
        if event in _NAMES or (event == "open" and isinstance(values[2], int) and values[2] & _WRITES):
            words = [os.fsdecode(one) for one in values if isinstance(one, str | bytes | os.PathLike)]
            if any(one.startswith(self._directory) for one in words):
                self.step()

    def copied(self, source: IO[bytes], target: IO[bytes]) -> None:
        """In place of shutil.copyfileobj: in two parts, with a step between them."""
        data = source.read()
        target.write(data[: len(data) // 2])
        target.flush()
        self.step()
        target.write(data[len(data) // 2 :])

    def after(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, and then a step."""

        def called(*words: Any, **more: Any) -> Any:
            found = function(*words, **more)
            self.step()
            return found

        return called


if __name__ == "__main__":
    steps = Steps(int(sys.argv[1]), sys.argv[2])
    sys.addaudithook(steps.heard)
    shutil.copyfileobj = steps.copied  # type: ignore[assignment]
    Ledger.set_share = steps.after(Ledger.set_share)  # type: ignore[method-assign]
    status = main.main(sys.argv[3:])
    print(f"steps {steps.count}", file=sys.stderr)
    sys.exit(status)
