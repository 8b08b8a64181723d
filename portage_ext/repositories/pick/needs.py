"""Which packages a dependency expression (PMS 8.2) can ask for: every branch of it counts, whatever USE and ``||`` choose.

So what was picked does not change with USE, and a choice that the overlay gives stays one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from portage_ext.repositories.cache import DEPENDENCIES, Metadata

_CHOICES: Final = frozenset({"||", "^^", "??"})
_NAME: Final = re.compile(r"(?:[<>]=?|[=~])?(?P<cp>[A-Za-z0-9_][A-Za-z0-9+_.-]*/[A-Za-z0-9_][A-Za-z0-9+_-]*)", re.ASCII)
_VERSION: Final = re.compile(r"-\d+(?:\.\d+)*[a-z]?(?:_(?:pre|p|beta|alpha|rc)\d*)*(?:-r\d+)?(?:\*)?$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Need:
    """One atom, without USE dependencies. Atoms of the same ``choice`` (above 0) stand for each other."""

    atom: str
    choice: int = 0

    @property
    def cp(self) -> str:
        """``category/name`` of the atom; empty when it has none."""
        text = self.atom.partition(":")[0]
        if text[:1] in "<>=~":
            text = _VERSION.sub("", text.rstrip("*").lstrip("<>=~"))
        return text if text.count("/") == 1 else ""


def needs(metadata: Metadata) -> Iterator[Need]:
    """What an ebuild with this ``metadata`` can need, at build or at run time."""
    first = 0
    for key in DEPENDENCIES:
        for need in parse(metadata[key], first):
            first = max(first, need.choice)
            yield need


def parse(text: str, choices: int = 0) -> Iterator[Need]:
    """The atoms of an expression, blockers left out; choices are numbered from ``choices`` on."""
    groups: list[int] = []
    pending = False
    for token in text.split():
        if token in _CHOICES:
            pending = True
        elif token == "(":
            inside = groups[-1] if groups else 0
            if pending and not inside:
                choices += 1
                inside = choices
            groups.append(inside)
            pending = False
        elif token == ")":
            if groups:
                groups.pop()
        elif not token.endswith("?") and token[0] != "!" and "/" in token:
            yield Need(token.partition("[")[0], groups[-1] if groups else 0)
