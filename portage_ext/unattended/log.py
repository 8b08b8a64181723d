"""The log of unattended runs: one line per run, newest last, of bounded size.

The file is ``<root>/var/log/portage-ext/runs.jsonl``, where root is the root of the configuration (PORTAGE_CONFIGROOT). A line
that cannot be read, such as one cut short by a full disk, is skipped: the log informs people, and no decision depends on it.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Final

from portage_ext import files, limits, locks, shown
from portage_ext.records import record, replace

LOG_DIRECTORY: Final = "var/log/portage-ext"
RUNS_FILE: Final = f"{LOG_DIRECTORY}/runs.jsonl"
_SHORTEST: Final = 60
"""Bytes that the names of the six values take in any line, so that a file of empty lines costs no time."""


@record
class Run:
    """One run: when it ended (seconds since 1970), its name, whether it succeeded, and its one line of output.

    ``release`` is the number of the published release, None if nothing was published; ``seconds`` is the duration.
    """

    when: int
    what: str
    ok: bool
    line: str
    release: int | None = None
    seconds: float = 0.0

    def emit(self) -> bytes:
        """The line of the log, with its end."""
        values = {name: getattr(self, name) for name in self.__match_args__} | {"line": shown.line(self.line)}
        return json.dumps({**values, "seconds": round(self.seconds, 3)}, ensure_ascii=True).encode() + b"\n"


def append(root: Path, run: Run) -> None:
    """Write ``run`` to the log below ``root``. Simultaneous runs wait for each other, but not for long: without the lock the
    log is only not shortened now. Raises LockError, OSError."""
    path = root / RUNS_FILE
    files.make_directory(path.parent)
    with locks.tried(path.with_suffix(".lock"), limits.LOG_LOCK) as lock:
        if len(data := run.emit()) > limits.RUN_LINE_SIZE:
            data = replace(run, line=f"{run.line[: limits.RUN_LINE_SIZE // 16]} …").emit()
        if lock is not None and path.exists() and path.stat().st_size + len(data) > limits.RUN_LOG_SIZE:
            kept = _tail(path, limits.RUN_LOG_SIZE // 2)
            files.replace_file(path, kept[kept.find(b"\n") + 1 :])
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        with open(descriptor, "r+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            # A line that was cut short must not damage the next line.
            cut = end > 0 and os.pread(file.fileno(), 1, end - 1) != b"\n"
            file.write(b"\n" + data if cut else data)


def read(root: Path) -> list[Run]:
    """The runs below ``root``, oldest first; none when there is no log. Raises OSError.

    With those that logrotate moved aside last (etc/templates/logrotate).
    """
    lines: list[bytes] = []
    for name in (f"{RUNS_FILE}.1", RUNS_FILE):
        with contextlib.suppress(FileNotFoundError):
            lines += _tail(root / name, limits.RUN_LOG_SIZE).split(b"\n")
    return [run for run in map(_parse, lines) if run is not None]


def last(root: Path) -> Run | None:
    """The newest run in the log below ``root``; None if there is none. Raises OSError."""
    try:
        lines = _tail(root / RUNS_FILE, limits.RUN_LINE_SIZE).split(b"\n")
    except FileNotFoundError:
        return None
    return next((run for run in map(_parse, reversed(lines)) if run is not None), None)


def _tail(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - size))
        return file.read(size)


def _parse(line: bytes) -> Run | None:
    if len(line) < _SHORTEST:
        return None
    try:
        values = json.loads(line)
        release = values["release"]
        return Run(
            int(values["when"]),
            str(values["what"]),
            values["ok"] is True,
            str(values["line"]),
            None if release is None else int(release),
            float(values["seconds"]),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
