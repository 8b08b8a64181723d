"""Whether this CPU runs a candidate: by the CFLAGS in a local package, by what a binhost says of itself for a remote one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from portage_ext.config import settings as configuration
from portage_ext.errors import PackageError, PortageExtError
from portage_ext.fetch.binrepo import Binrepo
from portage_ext.fetch.builder import bound_by
from portage_ext.fetch.mirrors import Transports
from portage_ext.gpkg.identity import read_texts
from portage_ext.host import cpu
from portage_ext.host.candidates import CandidateTree
from portage_ext.model import builder
from portage_ext.policy import reasons
from portage_ext.policy.cpu import Fit, Judgement, machine_flags
from portage_ext.policy.verdict import Offer, Reason
from portage_ext.trust.state import StateDirectory, checked_name


class Fits:
    """Asks each binhost once, and only those whose index says that there is something to ask for."""

    def __init__(self, settings: Any, tree: CandidateTree) -> None:
        self._settings = settings
        self._tree = tree
        self._binhosts: dict[str, tuple[str, Judgement]] = {}
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
        if binrepo not in self._binhosts:
            self._binhosts[binrepo] = self._asked(binrepo)
        return self._binhosts[binrepo]

    def _asked(self, name: str) -> tuple[str, Judgement]:
        header = self._tree.sources.get(name, {})
        if not header.get(builder.HEADER):
            return "", Judgement(Fit.UNKNOWN)
        root = Path(self._settings["PORTAGE_CONFIGROOT"])
        transports = Transports()
        try:
            binrepo = Binrepo(
                name=checked_name(name),
                base=self._tree.uris[name].rstrip("/"),
                settings=configuration.load(root),
                config_root=root,
                state=StateDirectory(Path(self._settings["EROOT"]), name),
                transports=transports,
                warn=lambda _: None,
                progress=lambda _: None,
            )
            theirs = bound_by(binrepo, header)
        except (PortageExtError, OSError):
            return "", Judgement(Fit.UNKNOWN)  # what a binhost says of itself may be missing
        finally:
            transports.close()
        return " ".join(theirs.march), cpu.judge_builder(theirs)
