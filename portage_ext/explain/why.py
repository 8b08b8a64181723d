"""Every package that emerge would take, every binary that there is of it, and one verdict for each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from portage_ext.errors import ResolutionError
from portage_ext.explain import candidates, demands, facts, listing, local, objections, profiles, resolution
from portage_ext.explain import symbols as plan_check
from portage_ext.explain.binhosts import Binhosts
from portage_ext.explain.candidates import CandidateTree
from portage_ext.explain.facts import Gatherer
from portage_ext.explain.fit import Fits
from portage_ext.explain.looks import Looks
from portage_ext.explain.reasons import judge, refused, unreachable
from portage_ext.explain.resolution import overheard, resolve
from portage_ext.explain.symbols import Symbols
from portage_ext.explain.trial import Trials
from portage_ext.explain.verdict import Reason, Verdict, Wanted, closeness
from portage_ext.host import probe
from portage_ext.host.buildtimes import build_seconds
from portage_ext.host.probe import Expectation

EXPECTED: Final[tuple[Expectation, ...]] = tuple(
    one
    for module in (resolution, candidates, facts, objections, listing, demands, profiles, plan_check, local)
    for one in module.EXPECTED
)
LOSS: Final = "`portage-ext why` cannot work"
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
    def comes(self) -> bool:
        """Whether it is a binary and nothing refuses it."""
        return self.taken and not (self.verdicts and any(reason.blocks for reason in self.verdicts[0].reasons))

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


def explain(words: Sequence[str], *, fetch: bool = False) -> Explanation:
    """Explain what ``emerge --pretend`` makes of ``words``; with ``fetch`` the closest binaries are fetched on trial.

    Raises UsageError, ResolutionError, UnknownPortageError.
    """
    probe.check(LOSS, EXPECTED)
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
    binhosts = Binhosts(resolution.settings, tree)
    gatherer = Gatherer(resolution, tree, binhosts)
    seconds = build_seconds(_log(resolution.settings))
    judged = [(package, _verdicts(gatherer, package)) for package in resolution.packages]
    closest = {package: found[0][1] for package, found in judged if found and found[0][0].only_here}
    looks = Looks(tree, Symbols(resolution, tree, closest), Fits(tree, binhosts))
    trials = Trials(tree)
    packages = []
    for package, found in judged:
        looked = _looked(looks, gatherer, package, found)
        verdicts = [verdict for verdict, _ in looked]
        if looked and fetch:
            # Only the closest: what comes over the network is what emerge would fetch.
            arrives = trials.reason(verdicts[0].offer, looked[0][1])
            verdicts[0] = replace(verdicts[0], reasons=(*verdicts[0].reasons, *filter(None, (arrives,))))
        if package.type_name != "binary":
            verdicts = sorted([*verdicts, *local.unindexed(tree, package)], key=closeness)
        wanted = gatherer.wanted(package)
        packages.append(Explained(wanted, tuple(verdicts), seconds.get(wanted.cp)))
    remarks = (*dict.fromkeys(_OURS.findall(spoken)), *trials.remarks)
    return Explanation(tuple(packages), tuple(resolution.troubles.values()), remarks)


def _verdicts(gatherer: Gatherer, package: Any) -> list[tuple[Verdict, Any]]:
    """A verdict for each candidate of ``package``, with the candidate, the closest first."""
    wanted = gatherer.wanted(package)
    found = []
    for candidate in gatherer.candidates(package):
        if package.type_name == "binary" and gatherer.is_taken(candidate, package):
            found.append((Verdict(gatherer.offer(candidate)), candidate))
        else:
            found.append((judge(gatherer.facts(candidate, package), wanted, gatherer.places), candidate))
    return _sorted(gatherer, package, found)


def _looked(looks: Looks, gatherer: Gatherer, package: Any, found: list[tuple[Verdict, Any]]) -> list[tuple[Verdict, Any]]:
    """The verdicts with what a look at each candidate adds, put in order again."""
    more = [
        (looks.at(package, verdict, candidate, closest=place == 0), candidate)
        for place, (verdict, candidate) in enumerate(found)
    ]
    return _sorted(gatherer, package, more)


def _sorted(gatherer: Gatherer, package: Any, found: list[tuple[Verdict, Any]]) -> list[tuple[Verdict, Any]]:
    """The one that emerge takes first, then the closest."""
    binary = package.type_name == "binary"
    return sorted(found, key=lambda one: (not (binary and gatherer.is_taken(one[1], package)), closeness(one[0])))


def _troubles(tree: CandidateTree, spoken: str) -> Iterator[tuple[str, Reason]]:
    """What Portage and the fetchcommand said about binrepos without an index, by binrepo."""
    for match in _UNREACHABLE.finditer(spoken):
        yield match[1], unreachable(match[1], match[2], match[3])
    for match in _REFUSED.finditer(spoken):
        if match[1] in tree.uris:
            yield match[1], refused(match[1], match[2], match[0].removeprefix("portage-ext fetch: "))


def _log(settings: Any) -> str:
    return os.path.join(settings.get("EMERGE_LOG_DIR") or os.path.join(settings["EPREFIX"] or "/", "var/log"), "emerge.log")
