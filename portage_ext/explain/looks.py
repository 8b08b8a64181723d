"""What costs more than a question to the resolver, asked of every candidate within bounds: symbols, CPU, signature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from portage_ext.errors import PackageError
from portage_ext.explain import local, reasons
from portage_ext.explain.binhosts import Binhosts
from portage_ext.explain.candidates import CandidateTree
from portage_ext.explain.symbols import Symbols
from portage_ext.explain.verdict import Offer, Reason, Verdict
from portage_ext.gpkg.identity import read_texts
from portage_ext.host import cpu
from portage_ext.limits import LOOKED_INTO
from portage_ext.policy.cpu import Fit, Judgement, machine_flags


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
            yield reasons.symbols(lacking)
        if verdict.offer.binrepo is None and not closest:
            self._left -= 1
            if self._left < 0:
                return
        for reason in (local.signature(self._tree, candidate), self._fits.against(verdict.offer, candidate)):
            if reason is not None:
                yield reason


class Fits:
    """Whether this CPU runs a candidate: by the CFLAGS in a local package, by what a binhost says of itself for a remote one.

    Judges each binhost and each set of flags once.
    """

    def __init__(self, tree: CandidateTree, binhosts: Binhosts) -> None:
        self._tree = tree
        self._binhosts = binhosts
        self._judged: dict[str, tuple[str, Judgement]] = {}
        self._flags: dict[tuple[str, ...], Judgement] = {}

    def against(self, offer: Offer, candidate: Any) -> Reason | None:
        """What the CPU of this host has against ``candidate``; None when it runs, or nobody can tell."""
        flags, judged = self._local(candidate) if offer.binrepo is None else self._remote(offer.binrepo)
        if judged.fit is not Fit.CANNOT:
            return None
        return reasons.cpu(offer, flags, judged.lacking, cpu.here().level)

    def _local(self, candidate: Any) -> tuple[str, Judgement]:
        path = self._tree.getname(candidate.cpv)
        try:
            texts = read_texts(Path(path), frozenset({"CFLAGS"})) if path else {}
        except PackageError:
            texts = {}  # Portage judges the package itself
        flags = machine_flags(texts.get("CFLAGS", "").split())
        if flags not in self._flags:
            self._flags[flags] = cpu.judge(flags) if flags else Judgement(Fit.UNKNOWN)
        return " ".join(flags), self._flags[flags]

    def _remote(self, binrepo: str) -> tuple[str, Judgement]:
        if binrepo not in self._judged:
            theirs = self._binhosts.builder(binrepo)
            unknown = "", Judgement(Fit.UNKNOWN)
            self._judged[binrepo] = unknown if theirs is None else (" ".join(theirs.march), cpu.judge_builder(theirs))
        return self._judged[binrepo]
