"""All branches of a dependency expression (PMS 8.2) count as dependencies, independent of USE flags and of ``||`` choices.

So the picked packages do not depend on USE flags, and all alternatives that the overlay offers remain available.
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
    """One atom without USE dependencies. Atoms with the same ``choice`` (greater than 0) are alternatives."""

    atom: str
    choice: int = 0

    @property
    def cp(self) -> str:
        """``category/name`` of the atom; empty if it has none."""
        text = self.atom.partition(":")[0]
        if text[:1] in "<>=~":
            text = _VERSION.sub("", text.rstrip("*").lstrip("<>=~"))
        return text if text.count("/") == 1 else ""


def needs(metadata: Metadata) -> Iterator[Need]:
    """Yield everything that an ebuild with this ``metadata`` can need at build time or run time."""
    first = 0
    for key in DEPENDENCIES:
        for need in parse(metadata[key], first):
            first = max(first, need.choice)
            yield need


def parse(text: str, choices: int = 0) -> Iterator[Need]:
    """Yield the atoms of an expression without blockers. The choices are numbered after ``choices``."""
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
