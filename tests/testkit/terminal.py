"""A command in a pseudo-terminal, and what a person would see there: a model of a VT100 with its scrollback.

It knows what emerge and portage-ext write, and raises on any other sequence, so nothing is passed over in silence.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from typing import Final

from tests.testkit.roots import TIMEOUT, Root

_SEQUENCE: Final = re.compile(r"\033(?:\[([?0-9;]*)([A-Za-z])|\]([^\007]*)\007|([78DE=>])|([()][A-Z0-9]))")


class Screen:
    """So many columns and lines; ``history`` is what was scrolled off the top."""

    def __init__(self, columns: int, lines: int) -> None:
        self.columns, self.lines = columns, lines
        self.history: list[str] = []
        self._rows = [[" "] * columns for _ in range(lines)]
        self._row = self._column = 0
        self._wraps = False
        self._saved = (0, 0)
        self._left = ""

    def text(self) -> list[str]:
        """The lines of the screen."""
        return ["".join(row).rstrip() for row in self._rows]

    def whole(self) -> list[str]:
        """All that can be scrolled back to, without the empty lines at the end."""
        lines = [*self.history, *self.text()]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def cursor(self) -> tuple[int, int]:
        return self._row, self._column

    def resize(self, columns: int, lines: int) -> None:
        """As xterm does: lines are cut or filled up; those at the top go when the cursor would not fit."""
        while self._row >= lines:
            self.history.append("".join(self._rows.pop(0)).rstrip())
            self._row -= 1
        self._rows = [(row + [" "] * columns)[:columns] for row in self._rows[:lines]]
        self._rows += [[" "] * columns for _ in range(lines - len(self._rows))]
        self.columns, self.lines = columns, lines
        self._column = min(self._column, columns - 1)

    def feed(self, text: str) -> None:
        text = self._left + text
        self._left = ""
        at = 0
        while at < len(text):
            if text[at] == "\033":
                match = _SEQUENCE.match(text, at)
                if match is None:
                    assert len(text) - at < 256, repr(text[at : at + 40])
                    self._left = text[at:]
                    return
                self._obey(match)
                at = match.end()
            else:
                self._put(text[at])
                at += 1

    def _put(self, one: str) -> None:
        if one == "\n":
            self._index()
        elif one == "\r":
            self._column, self._wraps = 0, False
        elif one == "\b":
            self._column = max(0, self._column - 1)
        elif one == "\t":
            self._column = min(self.columns - 1, self._column // 8 * 8 + 8)
        elif one >= " ":
            if self._wraps:
                self._column = 0
                self._index()
            self._rows[self._row][self._column] = one
            self._wraps = self._column == self.columns - 1
            self._column = min(self.columns - 1, self._column + 1)

    def _index(self) -> None:
        self._wraps = False
        if self._row == self.lines - 1:
            self.history.append("".join(self._rows.pop(0)).rstrip())
            self._rows.append([" "] * self.columns)
        else:
            self._row += 1

    def _obey(self, match: re.Match[str]) -> None:
        values, final, title, single, charset = match.groups()
        if title is not None or charset is not None or single in ("=", ">"):
            return
        if single == "7":
            self._saved = (self._row, self._column)
        elif single == "8":
            self._row, self._column = min(self._saved[0], self.lines - 1), min(self._saved[1], self.columns - 1)
            self._wraps = False
        elif single in ("D", "E"):
            self._column = 0 if single == "E" else self._column
            self._index()
        elif final == "m":
            pass
        elif final == "K":
            self._rows[self._row][self._column :] = [" "] * (self.columns - self._column)
        elif final == "J":
            if values == "2":
                self._rows = [[" "] * self.columns for _ in range(self.lines)]
            else:
                self._rows[self._row][self._column :] = [" "] * (self.columns - self._column)
                self._rows[self._row + 1 :] = [[" "] * self.columns for _ in range(self.lines - self._row - 1)]
        elif final == "H":
            row, _, column = (values or "1;1").partition(";")
            self._row, self._column = min(self.lines, int(row or 1)) - 1, min(self.columns, int(column or 1)) - 1
        elif final == "A":
            self._row, self._wraps = max(0, self._row - int(values or 1)), False
        elif final == "B":
            self._row, self._wraps = min(self.lines - 1, self._row + int(values or 1)), False
        elif final in ("h", "l") and values.startswith("?"):
            pass
        else:
            raise AssertionError(f"a sequence that this model does not know: {match[0]!r}")


class Terminal:
    """``command`` runs in ``root`` with a terminal of its own. ``frame`` gets the screen after each piece of output."""

    def __init__(
        self,
        root: Root,
        *command: str,
        columns: int = 80,
        lines: int = 24,
        frame: Callable[[Screen], None] = lambda screen: None,
        **variables: str,
    ) -> None:
        self.screen = Screen(columns, lines)
        self.raw = ""
        self._frame = frame
        self._master, slave = pty.openpty()
        self._size(columns, lines)
        self.modes = termios.tcgetattr(slave)
        self._slave = slave
        environment = root.variables() | {"TERM": "xterm"} | variables
        self.process = subprocess.Popen(
            root._words(command),
            env=environment,
            cwd=root.path,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def _size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns: int, lines: int) -> None:
        """The person changes the size of the window."""
        self._size(columns, lines)
        self.screen.resize(columns, lines)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def until(self, condition: Callable[[Screen], bool]) -> Screen:
        """Read on until the screen is so."""
        deadline = time.monotonic() + TIMEOUT
        while not condition(self.screen):
            assert time.monotonic() < deadline, "\n".join(self.screen.whole())
            assert self._read() or condition(self.screen), "\n".join(self.screen.whole())
        return self.screen

    def finish(self) -> int:
        """Read to the end. Returns the exit status."""
        while self._read():
            pass
        return self.process.wait(TIMEOUT)

    def kill(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def same_modes(self) -> bool:
        """Whether the terminal is in the modes in which it was."""
        return termios.tcgetattr(self._master) == self.modes

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._slave)
        os.close(self._master)

    def _read(self) -> bool:
        """Take what comes; False when the command has ended and nothing is left."""
        ready, _, _ = select.select([self._master], [], [], 0.2)
        if not ready:
            return self.process.poll() is None
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return False
        text = self._decoder.decode(data)
        self.raw += text
        self.screen.feed(text)
        self._frame(self.screen)
        return bool(data)
