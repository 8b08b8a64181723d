"""Which packages a package needs, by name alone: dependencies of every version, slot and USE condition count. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from portage_ext.limits import DEPENDENCIES

KEYS: Final = ("RDEPEND", "PDEPEND")
"""The dependencies that exist when a program runs."""
_ATOM: Final = re.compile(r"(?<!\S)[<>=~]*([A-Za-z0-9_][A-Za-z0-9+_.-]*/[A-Za-z0-9_][^\s:\[]*)")
_VERSION: Final = re.compile(r"-\d[^-]*(?:-r\d+)?\*?$")


def declared(text: str) -> frozenset[str]:
    """The packages (category/name) that the dependencies ``text`` name, blockers left out."""
    return frozenset(_VERSION.sub("", name) for name in _ATOM.findall(text))


def closure(start: Iterable[str], needed: Callable[[str], Iterable[str]]) -> frozenset[str]:
    """``start`` and its transitive dependencies, by ``needed`` of each; at most DEPENDENCIES packages are visited."""
    seen: set[str] = set()
    waiting = list(start)
    while waiting and len(seen) < DEPENDENCIES:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += needed(name)
    return frozenset(seen)
