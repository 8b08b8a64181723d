"""One module for each reason that asks Portage for itself (``explain/kinds`` names them), and what each is told: one candidate
for one package of the list, and where to look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from portage_ext.explain.candidates import CandidateTree
from portage_ext.explain.verdict import Again, Offer, Places, Reason
from portage_ext.host.probe import Expectation


@dataclass(frozen=True, slots=True)
class Question:
    """``candidate`` and ``package`` are Portage's own objects, ``ebuild`` that of the candidate's version or None, ``order``
    its version against the package's."""

    graph: Any
    settings: Any
    tree: CandidateTree
    places: Places
    candidate: Any
    package: Any
    ebuild: Any
    order: int
    offer: Offer
    again: Again


class Objector(Protocol):
    """What a module of ``explain/objectors/`` offers."""

    EXPECTED: tuple[Expectation, ...]
    """All of Portage that it relies on."""

    def ask(self, question: Question) -> Iterator[Reason]:
        """The reasons that it has against the candidate."""
