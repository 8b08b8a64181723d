"""Every step of an update runs a command that a person could also type, in a new process.

So each step uses the Portage and the portage-ext that are installed when it starts, even if the update has just replaced them.
The output of each command goes to its own log. The command inherits the lock of the update, so no other update can start while
it runs, even if this update was killed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from portage_ext import files, limits, shown
from portage_ext.errors.updates import StepError
from portage_ext.limits import views as bounds
from portage_ext.unattended import marks
from portage_ext.unattended.log import LOG_DIRECTORY

_OWN: Final = ("-P", "-m", "portage_ext.cli.main")
_EMERGE: Final = ("--ask=n", "--color=n", "--quiet-build=y", "--nospinner")


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that ended: its exit status, its log, and the end of that log as lines."""

    status: int
    log: Path
    lines: tuple[str, ...]

    def last(self) -> tuple[str, ...]:
        """The last lines that are not empty."""
        return tuple(line for line in self.lines if line.strip())[-limits.UPDATE_LINES :]


@dataclass(frozen=True, slots=True)
class Commands:
    """Runs commands for the update below ``root``. They inherit the descriptor ``lock``."""

    root: Path
    lock: int | None = None

    def emerge(self, step: str, *words: str) -> Ended:
        """Run emerge. The update publishes the built packages later, not after each emerge. Raises StepError, OSError."""
        found = shutil.which("emerge")
        if found is None:
            raise StepError(step, "there is no emerge on PATH", "Run this command with the PATH of root.")
        return self.run(step, (found, *_EMERGE, *words))

    def own(self, step: str, *words: str, accept: Sequence[int] = (0,)) -> list[dict[str, Any]]:
        """Run a command of portage-ext that prints JSON, and return the printed objects.

        Raises StepError if the exit status is not in ``accept`` or the command printed no JSON.
        """
        with tempfile.TemporaryFile() as output:
            ended = self.run(step, (sys.executable, *_OWN, *words), output=output.fileno())
            output.seek(0)
            data = output.read(limits.UPDATE_OUTPUT + 1)
        try:
            if len(data) > limits.UPDATE_OUTPUT:
                raise ValueError
            objects = [json.loads(line) for line in data.splitlines()]
        except (ValueError, RecursionError):
            objects = []
        # A command that was refused prints no JSON. The reason is in its log.
        if ended.status not in accept or not objects:
            called = f"portage-ext {words[0]}"
            raise StepError(step, f"{called}: {_words(ended, called)}", f"The whole output is in {ended.log}.")
        return objects

    def run(self, step: str, words: Sequence[str], *, output: int | None = None) -> Ended:
        """Run ``words`` with the output in the log of ``step``; if ``output`` is given, stdout goes there. Raises OSError."""
        log = self.log(step)
        files.make_directory(log.parent)
        with log.open("ab") as file:
            begun = file.tell()
            file.write(f"--- {' '.join(words)}\n".encode())
            file.flush()
            done = subprocess.run(
                list(words),
                stdin=subprocess.DEVNULL,
                stdout=file if output is None else output,
                stderr=file,
                cwd="/",
                env=self._environment(),
                pass_fds=() if self.lock is None else (self.lock,),
                check=False,
            )
        return Ended(done.returncode, log, tail(log, begun))

    def log(self, step: str) -> Path:
        return self.root / LOG_DIRECTORY / "update" / f"{step}.log"

    def clear(self) -> None:
        """Remove the logs of the last run. Raises OSError."""
        shutil.rmtree(self.root / LOG_DIRECTORY / "update", ignore_errors=True)

    def _environment(self) -> Mapping[str, str]:
        return {**os.environ, marks.LATER: "later", "NOCOLOR": "true", "NO_COLOR": "1"}


def tail(path: Path, begin: int = 0) -> tuple[str, ...]:
    """The last lines of a file from the byte offset ``begin`` on, made safe to show. Raises OSError."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(begin, end - bounds.LOG_TAIL))
        return tuple(shown.line(line) for line in file.read().decode("utf-8", "replace").splitlines())


def _words(ended: Ended, called: str) -> str:
    said = [line.removeprefix(f"{called}: ") for line in ended.last() if not line.startswith("--- ")]
    return " ".join(said[-3:]) or f"it ended with status {ended.status} and said nothing"
