"""Equal reasons of many packages are printed once: as one line with their count and an example."""

from __future__ import annotations

from collections.abc import Iterable

from portage_ext.records import record
from portage_ext.words import counted


@record
class Fold:
    """One reason, and the packages or files that it applies to, in their original order."""

    what: str
    where: tuple[str, ...]

    def __str__(self) -> str:
        if len(self.where) == 1:
            return f"{self.where[0]}: {self.what}"
        return f"{counted(len(self.where))}: {self.what} (such as {self.where[0]})"


def fold(pairs: Iterable[tuple[str, str]]) -> list[Fold]:
    """The reasons in ``pairs`` of (place, reason), each once, the most frequent first."""
    found: dict[str, dict[str, None]] = {}
    for where, what in pairs:
        found.setdefault(what, {})[where] = None
    return sorted((Fold(what, tuple(places)) for what, places in found.items()), key=lambda one: -len(one.where))


def told(pairs: Iterable[tuple[str, str]], most: int = 3) -> str:
    """The reasons in one line, at most ``most`` of them."""
    folds = fold(pairs)
    rest = sum(len(one.where) for one in folds[most:])
    return "; ".join([*(str(one).removesuffix(".") for one in folds[:most]), *([f"{rest} more"] if rest else [])])
