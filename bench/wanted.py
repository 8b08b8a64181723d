"""A want and the figure that meets or misses it, as a line of a table; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BEGIN: Final = "<!-- What `make bench` writes begins here. -->"
END: Final = "<!-- What `make bench` writes ends here. -->"
HEADING: Final = ("what", "ours", "beside", "figure", "wanted", "met")


@dataclass(frozen=True, slots=True)
class Want:
    """``figure`` must be at least ``wanted`` (with ``most``: at most); ``ours`` and ``beside`` say what it was made from."""

    what: str
    ours: str
    beside: str
    figure: float
    wanted: float
    unit: str = ""
    most: bool = False

    @property
    def met(self) -> bool:
        return self.figure <= self.wanted if self.most else self.figure >= self.wanted

    def row(self) -> tuple[str, ...]:
        sign = "≤" if self.most else "≥"
        figure, wanted = (f"{value:g}{self.unit}" for value in (float(f"{self.figure:.3g}"), self.wanted))
        return self.what, self.ours, self.beside, figure, f"{sign} {wanted}", "yes" if self.met else "NO"


def document(wants: Sequence[Want], about: str) -> str:
    """The wants as a table of a document; ``about`` says where and when they were measured."""
    rows = [HEADING, tuple("---" for _ in HEADING), *(want.row() for want in wants)]
    return "\n".join([BEGIN, about, "", *("| " + " | ".join(row) + " |" for row in rows), END])


def put(path: Path, text: str) -> None:
    """Put the table ``text`` in the place of the one that ``path`` has, or behind its first heading."""
    whole = path.read_text()
    if BEGIN in whole and END in whole:
        before, _, rest = whole.partition(BEGIN)
        path.write_text(before + text + rest.partition(END)[2])
        return
    heading, _, rest = whole.partition("\n\n")
    path.write_text(f"{heading}\n\n{text}\n\n{rest}")
