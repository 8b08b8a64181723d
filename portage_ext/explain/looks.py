"""What costs more than a question to the resolver, asked of every candidate within bounds: symbols, CPU, signature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from portage_ext.explain import local
from portage_ext.explain.candidates import CandidateTree
from portage_ext.explain.fit import Fits
from portage_ext.explain.reasons import symbols
from portage_ext.explain.symbols import Symbols
from portage_ext.explain.verdict import Reason, Verdict
from portage_ext.limits import LOOKED_INTO


class Looks:
    """Looks at the candidates of a list. Local packages beside the closest ones are opened as long as LOOKED_INTO lasts."""

    def __init__(self, tree: CandidateTree, plan: Symbols, fits: Fits) -> None:
        self._tree = tree
        self._plan = plan
        self._fits = fits
        self._left = LOOKED_INTO

    def at(self, package: Any, verdict: Verdict, candidate: Any, *, closest: bool) -> Verdict:
        """The verdict on ``candidate`` with what a look at it adds."""
        return replace(verdict, reasons=(*verdict.reasons, *self._seen(package, verdict, candidate, closest)))

    def _seen(self, package: Any, verdict: Verdict, candidate: Any, closest: bool) -> Iterator[Reason]:
        lacking = self._plan.of_closest(package)
        if not closest:
            # Of a package that comes as a binary nobody looks for another one.
            asked = verdict.only_here and (package.type_name != "binary" or lacking)
            lacking = self._plan.of_other(package, candidate) if asked else ()
        if lacking:
            yield symbols(lacking)
        if verdict.offer.binrepo is None and not closest:
            self._left -= 1
            if self._left < 0:
                return
        for reason in (local.signature(self._tree, candidate), self._fits.against(verdict.offer, candidate)):
            if reason is not None:
                yield reason
