"""Every package that emerge would take, every binary that there is of it, and one verdict for each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from portage_ext.errors import ResolutionError
from portage_ext.host.buildtimes import build_seconds
from portage_ext.host.candidates import CandidateTree
from portage_ext.host.facts import Gatherer
from portage_ext.host.resolution import overheard, resolve
from portage_ext.policy.reasons import judge, refused, unreachable
from portage_ext.policy.verdict import Reason, Verdict, Wanted, closest

_UNREACHABLE: Final = re.compile(r"^!!! \[(.+?)\] Error fetching binhost package info from '(.*?)'\n!!!\s?\[?\1\]? (.*)$", re.M)
_REFUSED: Final = re.compile(r"^portage-ext fetch: ([\w.+-]+)\b.*\[(\w+Error)\]\..*$", re.M)
_NO_INDEX: Final = "No verified index from"
_OURS: Final = re.compile(r"^portage-ext: .*$", re.M)


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
    """The answer: packages in emerge's order, what is wrong with binrepos, and what portage-ext itself said while it looked."""

    packages: tuple[Explained, ...]
    troubles: tuple[Reason, ...]
    remarks: tuple[str, ...]


def explain(words: Sequence[str]) -> Explanation:
    """Explain what ``emerge --pretend`` would make of ``words``. Raises UsageError, ResolutionError."""
    spoken = ""
    try:
        resolution = resolve(words)
    except ResolutionError as error:
        if _NO_INDEX not in error.said:
            raise
        # emerge stops at a refused index. What it would take without one is what the question is about.
        spoken = error.said
        resolution = resolve(words, without_index=True)
    tree = CandidateTree(resolution.settings, frozenset(package.cp for package in resolution.packages))
    options = {"--getbinpkg-exclude": "getbinpkg_exclude", "--getbinpkg-include": "getbinpkg_include"}
    chosen = {keyword: resolution.options[name] for name, keyword in options.items() if name in resolution.options}
    heard: list[str] = []
    with overheard(heard):
        tree.read(resolution.asked, **chosen)
    spoken += resolution.spoken + heard[0]
    resolution.troubles.update(_troubles(tree, spoken))
    gatherer = Gatherer(resolution, tree)
    seconds = build_seconds(_log(resolution.settings))
    packages = tuple(_explained(gatherer, package, seconds) for package in resolution.packages)
    return Explanation(packages, tuple(resolution.troubles.values()), tuple(dict.fromkeys(_OURS.findall(spoken))))


def _troubles(tree: CandidateTree, spoken: str) -> Iterator[tuple[str, Reason]]:
    """What Portage and the fetchcommand said about binrepos without an index, by binrepo."""
    for match in _UNREACHABLE.finditer(spoken):
        yield match[1], unreachable(match[1], match[2], match[3])
    for match in _REFUSED.finditer(spoken):
        if match[1] in tree.uris:
            yield match[1], refused(match[1], match[2], match[0].removeprefix("portage-ext fetch: "))


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
