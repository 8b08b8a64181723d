"""A want and the figure that meets or misses it, as lines of a table; pure, but for :func:`put`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BEGIN: Final = "<!-- What `make bench` writes begins here. -->"
END: Final = "<!-- What `make bench` writes ends here. -->"
HEADING: Final = ("what", "ours", "beside", "figure", "wanted", "met")
NOT_MEASURED: Final = "not measured"


@dataclass(frozen=True, slots=True)
class Want:
    """``figure`` must be at least ``wanted`` (with ``most``: at most); ``ours`` and ``beside`` say what it was made from.

    Without ``wanted`` it is a comparison. Without ``figure`` it was not measured, which misses a want; ``beside`` says why.
    """

    what: str
    ours: str
    beside: str
    figure: float | None
    wanted: float | None = None
    unit: str = ""
    most: bool = False

    @property
    def met(self) -> bool:
        if self.wanted is None:
            return True
        if self.figure is None:
            return False
        return self.figure <= self.wanted if self.most else self.figure >= self.wanted

    @property
    def shown(self) -> str:
        return NOT_MEASURED if self.figure is None else f"{float(f'{self.figure:.3g}'):,g}"


Rounds = Sequence[Sequence[Want]]
"""The wants of each run of the whole table."""


def _gathered(rounds: Rounds) -> list[list[Want]]:
    """The wants of the same name; one that is lacking in a round was not measured there."""
    names: dict[str, Want] = {}
    for wants in rounds:
        for want in wants:
            names.setdefault(want.what, want)
    found = []
    for what, like in names.items():
        lacking = Want(what, "", "", None, like.wanted, like.unit, like.most)
        found.append([next((want for want in wants if want.what == what), lacking) for wants in rounds])
    return found


def missed(rounds: Rounds) -> list[str]:
    """The names of the wants that some round did not meet, or did not measure."""
    return [wants[0].what for wants in _gathered(rounds) if not all(want.met for want in wants)]


def unmeasured(rounds: Rounds) -> list[str]:
    """The names of the rows, comparisons too, for which some round has no figure."""
    return [wants[0].what for wants in _gathered(rounds) if any(want.figure is None for want in wants)]


def rows(rounds: Rounds) -> list[tuple[str, ...]]:
    """A row for each want: the figures of all rounds, and what the middle one was made from."""
    return [_row(wants) for wants in _gathered(rounds)]


def _row(wants: Sequence[Want]) -> tuple[str, ...]:
    ordered = sorted(wants, key=lambda want: (want.figure is None, want.figure or 0.0))
    measured = [want for want in ordered if want.figure is not None]
    middle = measured[len(measured) // 2] if measured else next((want for want in wants if want.beside), wants[0])
    figure = " / ".join(want.shown for want in wants) if measured else NOT_MEASURED
    wanted, met = "", ""
    if middle.wanted is not None:
        wanted = f"{'≤' if middle.most else '≥'} {middle.wanted:g}{middle.unit}"
        times = sum(want.met for want in wants)
        met = "yes" if times == len(wants) else "NO" if not times else f"{times} of {len(wants)}"
    return middle.what, middle.ours, middle.beside, figure + (middle.unit if measured else ""), wanted, met


def document(rounds: Rounds, about: Iterable[str]) -> str:
    """The block of a document: the lines ``about`` where and when it was measured, and the wants as a table."""
    cells = [HEADING, tuple("---" for _ in HEADING), *rows(rounds)]
    return "\n".join([BEGIN, *about, "", *("| " + " | ".join(row) + " |" for row in cells), END])


def put(path: Path, text: str) -> None:
    """Put the block ``text`` in the place of the one that ``path`` has, or behind its first heading."""
    whole = path.read_text()
    if BEGIN in whole and END in whole:
        before, _, rest = whole.partition(BEGIN)
        path.write_text(before + text + rest.partition(END)[2])
        return
    heading, _, rest = whole.partition("\n\n")
    path.write_text(f"{heading}\n\n{text}\n\n{rest}")
