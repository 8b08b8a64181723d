"""The merge list as values: packages in merge order, who needs whom, and what is going on at one moment.

A package is its place in the list. Every edge is one of Portage's own graph, and none leads out of the list.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_VERSION: Final = re.compile(r"-\d[^-/]*(?:-r\d+)?$")


class Kind(StrEnum):
    """What emerge does with a package."""

    EBUILD = "ebuild"
    BINARY = "binary"
    UNINSTALL = "uninstall"


@dataclass(frozen=True, slots=True)
class Node:
    """One package of the list. ``seconds``: how long it takes on this host by its emerge.log; None when it never did."""

    cpv: str
    kind: Kind = Kind.EBUILD
    root: str = "/"
    seconds: float | None = None

    @property
    def cp(self) -> str:
        return _VERSION.sub("", self.cpv)


@dataclass(frozen=True, slots=True)
class Plan:
    """``needs[n]`` are the places of what package ``n`` needs."""

    nodes: tuple[Node, ...]
    needs: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Running:
    """A package that emerge works on. ``since``: seconds since 1970; ``log``: its build log, empty when there is none."""

    package: int
    phase: str
    since: float
    log: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """What goes on at ``taken`` (seconds since 1970). ``fetching``: packages whose files come in the background.

    ``jobs`` is how many packages may be built at once, 0 for as many as there are.
    """

    taken: float
    running: tuple[Running, ...] = ()
    done: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()
    fetching: tuple[int, ...] = ()
    jobs: int = 1
    counts: tuple[int, int, int] | None = None
    """How many packages there are, are done, and have failed, where the plan has only those that run."""


def inverted(needs: Sequence[Sequence[int]]) -> list[list[int]]:
    """For each package who needs it, in merge order."""
    wanted: list[list[int]] = [[] for _ in needs]
    for package, below in enumerate(needs):
        for one in below:
            wanted[one].append(package)
    return wanted


def short_names(nodes: Sequence[Node]) -> list[str]:
    """For each package the shortest name that no other of the list has: name, category/name, or with its version."""
    names = [(node.cp.rpartition("/")[2], node.cp, node.cpv) for node in nodes]
    counts: dict[str, int] = {}
    for forms in names:
        for form in set(forms):
            counts[form] = counts.get(form, 0) + 1
    return [next((form for form in forms if counts[form] == 1), forms[2]) for forms in names]
