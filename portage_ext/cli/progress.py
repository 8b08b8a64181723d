"""How far a transfer has come: a line for people at a terminal, JSON lines for scripts, one closing line in a log."""

from __future__ import annotations

import sys
import time
from typing import Final

from portage_ext import shown
from portage_ext.cli import objects
from portage_ext.words import size

_PERIOD: Final = 0.2
_AFTER: Final = 1.0
"""Seconds after which a transfer is worth a line."""


class Progress:
    """The progress of one file (tasks/fetching.Listener)."""

    def __init__(self, name: str, *, json_lines: bool, quiet: bool) -> None:
        self._name = shown.line(name)
        self._json = json_lines
        self._quiet = quiet
        self._terminal = not json_lines and not quiet and sys.stderr.isatty()
        self._begun = self._shown = time.monotonic()
        self._bytes = 0
        self._open = 0
        self._total = 0

    def expect(self, size: int) -> None:
        """The file has ``size`` bytes."""
        self._total = size

    def advance(self, count: int) -> None:
        """``count`` more bytes have come."""
        self._bytes += count
        now = time.monotonic()
        if now - self._shown < _PERIOD or not (self._json or (self._terminal and now - self._begun >= _AFTER)):
            return
        self._shown = now
        if self._json:
            self._event("progress")
        else:
            rate = size(int(self._bytes / max(now - self._begun, 0.001)))
            share = f" {100 * self._bytes // self._total:3d}%" if self._total else ""
            line = f"{self._name}{share} {size(self._bytes)}, {rate}/s"
            # As long as the line before, of which nothing must be left.
            print(f"\r{line.ljust(self._open)}", end="", file=sys.stderr, flush=True)
            self._open = len(line)

    def warn(self, text: str) -> None:
        """Something was refused or tried in vain."""
        text = shown.line(text)
        self.close()
        if self._json:
            self._event("warning", text)
        print(f"portage-ext: {text}", file=sys.stderr, flush=True)

    def done(self, text: str) -> None:
        """It is there."""
        text = shown.line(text)
        self.close()
        if self._json:
            self._event("done", text)
        elif not self._quiet:
            print(f"portage-ext: {text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """End an open line."""
        if self._open:
            print(file=sys.stderr, flush=True)
            self._open = 0

    def _event(self, kind: str, text: str | None = None) -> None:
        event = {"event": kind, "file": self._name, "bytes": self._bytes, "total": self._total}
        objects.show(event | ({} if text is None else {"message": text}))
