"""Every package that emerge would take, every binary that there is of it, and one verdict for each."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from portage_ext.host.buildtimes import build_seconds
from portage_ext.host.candidates import CandidateTree
from portage_ext.host.facts import Gatherer
from portage_ext.host.resolution import Resolution, overheard, resolve
from portage_ext.policy.verdict import Verdict, Wanted, closest, judge

_UNREACHABLE: Final = re.compile(r"^!!! \[(.+?)\] Error fetching binhost.*\n!!!\s?\[?\1\]? (.*)$", re.M)
OURS: Final = re.compile(r"^portage-ext: .*$", re.M)


@dataclass(frozen=True, slots=True)
class Explained:
    """One package of emerge's list. ``seconds``: how long it usually takes to build here, None when it never did."""

    wanted: Wanted
    verdicts: tuple[Verdict, ...]
    seconds: float | None

    @property
    def taken(self) -> bool:
        return self.wanted.kind == "binary"

    @property
    def best(self) -> Verdict | None:
        """The verdict on the candidate that the least keeps away; None without a candidate."""
        return self.verdicts[0] if self.verdicts else None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer: packages in emerge's order, and what portage-ext itself said while it looked."""

    packages: tuple[Explained, ...]
    remarks: tuple[str, ...]


def explain(words: Sequence[str]) -> Explanation:
    """Explain what ``emerge --pretend`` would make of ``words``. Raises UsageError, ResolutionError."""
    resolution = resolve(words)
    resolution.unreachable.update(_UNREACHABLE.findall(resolution.spoken))
    tree = _candidates(resolution)
    gatherer = Gatherer(resolution, tree)
    seconds = build_seconds(_log(resolution.settings))
    packages = tuple(_explained(gatherer, package, seconds) for package in resolution.packages)
    return Explanation(packages, tuple(dict.fromkeys(OURS.findall(resolution.spoken))))


def _candidates(resolution: Resolution) -> CandidateTree:
    settings = resolution.settings
    tree = CandidateTree(settings, frozenset(package.cp for package in resolution.packages))
    options = {"--getbinpkg-exclude": "getbinpkg_exclude", "--getbinpkg-include": "getbinpkg_include"}
    chosen = {keyword: resolution.options[name] for name, keyword in options.items() if name in resolution.options}
    with overheard([]):
        tree.read(resolution.asked, **chosen)
    resolution.unreachable.update({name: why for name, why in tree.failed.items() if name not in resolution.unreachable})
    return tree


def _log(settings: Any) -> str:
    return os.path.join(settings.get("EMERGE_LOG_DIR") or os.path.join(settings["EPREFIX"] or "/", "var/log"), "emerge.log")


def _explained(gatherer: Gatherer, package: Any, seconds: dict[str, float]) -> Explained:
    wanted = gatherer.wanted(package)
    verdicts = []
    for candidate in gatherer.candidates(package):
        if package.type_name == "binary" and gatherer.is_taken(candidate, package):
            verdicts.append(Verdict(gatherer.offer(candidate)))
        else:
            verdicts.append(judge(gatherer.facts(candidate, package), wanted, gatherer.places))
    return Explained(wanted, tuple(closest(verdicts)), seconds.get(wanted.cp))
