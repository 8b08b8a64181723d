"""Whether this CPU runs a candidate: by the CFLAGS in a local package, by what a binhost says of itself for a remote one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from portage_ext.errors import PackageError
from portage_ext.explain import reasons
from portage_ext.explain.binhosts import Binhosts
from portage_ext.explain.candidates import CandidateTree
from portage_ext.explain.verdict import Offer, Reason
from portage_ext.gpkg.identity import read_texts
from portage_ext.host import cpu
from portage_ext.policy.cpu import Fit, Judgement, machine_flags


class Fits:
    """Judges each binhost and each set of flags once."""

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
