"""One line of a picture: pieces of text with a style each, never wider than it may be. Colours and signs are chosen at the end.

Names of packages are ASCII (PMS, section 3.1), and so is every sign's one column: a column is a character.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

_COLOURS: Final = {"good": "32", "bad": "31", "now": "1", "faint": "2", "binary": "35"}


@dataclass(frozen=True, slots=True)
class Signs:
    """The signs of a picture; each is one column wide."""

    now: str
    done: str
    failed: str
    more: str
    full: str
    empty: str
    flat: str
    arrow: str
    join_first: str
    join: str
    join_last: str
    split_first: str
    split: str
    split_last: str
    bar: str


UNICODE: Final = Signs("▶", "✓", "✗", "…", "━", "╌", "─", "▸", "┬", "┤", "┘", "┬", "├", "└", "│")
ASCII: Final = Signs("*", "+", "!", "~", "#", ".", "-", ">", "+", "+", "'", "+", "+", "`", "|")


def signs(environment: Mapping[str, str]) -> Signs:
    """What a terminal of this locale can show.

    Python is not asked: it takes UTF-8 for the locale C (PEP 538, 540), and says so in LC_CTYPE. The font of the Linux console
    has 512 signs.
    """
    names = [environment[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(name)]
    coerced = names[:1] == [environment.get("LC_CTYPE")] == ["C.UTF-8"] and names[1:] in ([], ["C"], ["POSIX"])
    spoken = bool(names) and not coerced and names[0].lower().replace("-", "").endswith("utf8")
    return UNICODE if spoken and environment.get("TERM") != "linux" else ASCII


@dataclass(slots=True)
class Line:
    """Pieces of text, each with a style: good, bad, now, faint, binary, or none."""

    pieces: list[tuple[str, str]] = field(default_factory=list)

    def add(self, text: str, style: str = "") -> Line:
        if text:
            self.pieces.append((text, style))
        return self

    def pad(self, width: int) -> Line:
        return self.add(" " * (width - self.width))

    @property
    def width(self) -> int:
        return sum(len(text) for text, _ in self.pieces)

    def text(self) -> str:
        """Without colours, and without spaces at the end."""
        return "".join(text for text, _ in self.pieces).rstrip()

    def painted(self) -> str:
        """With the colours that any terminal has."""
        return "".join(f"\033[{_COLOURS[style]}m{text}\033[0m" if style else text for text, style in self.pieces).rstrip()


def cut(text: str, width: int, sign: Signs) -> str:
    """``text`` in at most ``width`` columns; what is cut off is marked."""
    return text if len(text) <= width else text[: max(0, width - 1)] + sign.more[: max(0, width)]


def listed(names: Sequence[str], width: int) -> str:
    """As many names as fit, then ``+N`` for the others; at least that."""
    text = f"+{len(names)}" if names else ""
    line = ""
    for count, name in enumerate(names, 1):
        line = f"{line}, {name}" if line else name
        more = f" +{len(names) - count}" if count < len(names) else ""
        if len(line) > width:
            break
        if len(line + more) <= width:
            text = line + more
    return text
