"""What commands print for people: within 80 columns, and coloured on a terminal (not with NO_COLOR or TERM=dumb;
FORCE_COLOR colours what goes into a pipe, too).

A terminal obeys nothing that is printed except these colours: foreign text is made harmless first (shown.py).
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import IO, Final

from portage_ext import shown

WIDTH: Final = 80
_LEAST: Final = 20
"""Columns of a terminal that the last column of a table needs to be beside the others."""
_COLOURS: Final = {"red": "31", "yellow": "33", "green": "32", "blue": "34", "bold": "1", "dim": "2"}
_PAINTED: Final = re.compile(rf"(\033\[(?:0|{'|'.join(_COLOURS.values())})m)")


class Screen:
    """Writes to ``out`` (standard output unless given). ``width`` is that of a narrower terminal, else 80 columns."""

    def __init__(self, out: IO[str] | None = None) -> None:
        self._out = out if out is not None else sys.stdout
        terminal = self._out.isatty()
        self.coloured = not os.environ.get("NO_COLOR") and (
            bool(os.environ.get("FORCE_COLOR")) or (terminal and os.environ.get("TERM", "dumb") != "dumb")
        )
        self.width = max(40, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)) if terminal else WIDTH

    def paint(self, text: str, colour: str) -> str:
        """``text`` in one of red, yellow, green, blue, bold, dim, or as it is."""
        return f"\033[{_COLOURS[colour]}m{text}\033[0m" if self.coloured and text else text

    def line(self, text: str = "", colour: str = "") -> None:
        """One line as it is: a heading, or a command to copy, which may be longer than the screen."""
        parts = _PAINTED.split(text) if self.coloured else [text]
        fit = "".join(part if number % 2 else shown.line(part) for number, part in enumerate(parts))
        print(self.paint(fit, colour) if colour else fit, file=self._out)

    def text(self, text: str, *, first: str = "", indent: str = "", colour: str = "") -> None:
        """A paragraph, broken between words; ``first`` begins its first line, ``indent`` the others."""
        for line in wrapped(text, self.width, first, indent):
            self.line(line, colour)

    def table(self, rows: Sequence[Sequence[str]], colours: Sequence[str] = (), *, indent: str = "") -> None:
        """Columns as wide as they need, two spaces apart; the last takes what is left and goes on below itself.

        Where little is left, it goes below the others.

        ``colours`` are the colours of the first columns.
        """
        if not rows:
            return
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            start = len(indent) + sum(width + 2 for width in widths)
            below = start + _LEAST > self.width
            margin = " " * (len(indent) + 4 if below else start)
            lines = wrapped(row[-1], self.width, margin, margin) or [margin]
            for number, colour in enumerate(colours[: len(cells)]):
                cells[number] = self.paint(cells[number], colour)
            beside = indent + "".join(f"{cell}  " for cell in cells)
            if below:
                if any(row[:-1]):
                    self.line(beside.rstrip())
                lines = [line for line in lines if line.strip()]
            else:
                self.line((beside + lines.pop(0)[start:]).rstrip())
            for line in lines:
                self.line(line)


def wrapped(text: str, width: int, first: str = "", indent: str = "") -> list[str]:
    """``text`` in lines of ``width``; a word is never broken, since it may be a path or a command to copy."""
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
