"""Every package that emerge would take, every binary that there is of it, and one verdict for each."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from portage_ext.config import settings as configuration
from portage_ext.errors import PortageExtError, ResolutionError
from portage_ext.explain import candidates, demands, facts, kinds, listing, local, objections, profiles, resolution, unresolved
from portage_ext.explain import symbols as plan_check
from portage_ext.explain.binhosts import Binhosts
from portage_ext.explain.candidates import CandidateTree
from portage_ext.explain.command_line import overheard
from portage_ext.explain.facts import Gatherer
from portage_ext.explain.fetched import troubles
from portage_ext.explain.fetched.trial import Trials
from portage_ext.explain.looks import Fits, Looks
from portage_ext.explain.reasons import elsewhere, judge, kept
from portage_ext.explain.resolution import Resolution, resolve
from portage_ext.explain.symbols import Symbols
from portage_ext.explain.verdict import Reason, Verdict, Wanted, closeness
from portage_ext.host import probe
from portage_ext.host.buildtimes import build_seconds, log_path
from portage_ext.host.probe import Expectation

EXPECTED: Final[tuple[Expectation, ...]] = tuple(
    one
    for module in (
        *(resolution, candidates, facts, objections, listing, demands, profiles, plan_check, local, unresolved),
        *kinds.objectors(),
    )
    for one in module.EXPECTED
)
LOSS: Final = "`portage-ext why` cannot work"
_NO_INDEX: Final = "No verified index from"
_PROGRESS: Final = ("These are the packages that would", "Calculating dependencies", "Dependency resolution took")
_OURS: Final = re.compile(r"^portage-ext: .*$", re.M)


@dataclass(frozen=True, slots=True)
class Explained:
    """One package of emerge's list. ``seconds``: how long it usually takes to build here, None when it never did.

    ``masks``: what masks its ebuild, where emerge could not resolve the request and would have needed it, or keeps it from
    being compiled.
    """

    wanted: Wanted
    verdicts: tuple[Verdict, ...]
    seconds: float | None
    masks: tuple[Reason, ...] = ()

    @property
    def taken(self) -> bool:
        return self.wanted.kind == "binary"

    @property
    def waits(self) -> bool:
        """Whether emerge keeps its version and waits for a binary."""
        return any(reason.kind == "wait" for reason in self.masks)

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
    """The answer: packages in emerge's order, what is wrong with binhosts, and what was said while looking.

    ``unknown``: binhosts of which nobody knows what they have, because their index could not be read. ``asked``: the binhosts
    that there are. ``remarks`` are lines of portage-ext's, ``said`` those in which emerge complained, ``failed`` what it said
    when it could not resolve the request.
    """

    packages: tuple[Explained, ...]
    troubles: tuple[Reason, ...]
    unknown: tuple[str, ...]
    asked: tuple[str, ...]
    remarks: tuple[str, ...]
    said: tuple[str, ...]
    failed: str = ""


def explain(words: Sequence[str], *, fetch: bool = False) -> Explanation:
    """Explain what ``emerge --pretend`` makes of ``words``; with ``fetch`` the closest binaries are fetched on trial.

    Raises UsageError, SettingsError, ResolutionError, UnknownPortageError.
    """
    probe.check(LOSS, EXPECTED)
    spoken = ""
    try:
        found = resolve(words)
    except ResolutionError as error:
        if _NO_INDEX not in error.said:
            raise
        # emerge stops at a refused index. What it would take without one is what the question is about.
        spoken = error.said
        found = resolve(words, without_index=True)
    missing = [] if found.resolved else unresolved.atoms(found.graph)
    tree = CandidateTree(found.settings, frozenset(one.cp for one in (*found.packages, *missing)))
    options = {"--getbinpkg-exclude": "getbinpkg_exclude", "--getbinpkg-include": "getbinpkg_include"}
    chosen = {keyword: found.options[name] for name, keyword in options.items() if name in found.options}
    heard: list[str] = []
    with overheard(heard):
        tree.read(found.asked, **chosen)
    spoken += found.spoken + heard[0]
    found.troubles.update(troubles.found(tree, found.settings, spoken))
    binhosts = Binhosts(found.settings, tree)
    gatherer = Gatherer(found, tree, binhosts)
    seconds = build_seconds(log_path(found.settings))
    trials = Trials(tree)
    if found.resolved:
        packages = _listed(found, tree, gatherer, Fits(tree, binhosts), seconds, trials if fetch else None)
    else:
        packages = _missing(gatherer, missing, seconds)
        if not packages and not found.troubles:
            raise ResolutionError(_complaint(found.spoken))
    return Explanation(
        tuple(packages),
        tuple(found.troubles.values()),
        tuple(name for name in found.troubles if name not in tree.sources),
        tuple(tree.uris),
        (*dict.fromkeys(_OURS.findall(spoken)), *trials.remarks),
        troubles.said(spoken),
        "" if found.resolved else _complaint(found.spoken),
    )


def _listed(
    found: Resolution, tree: CandidateTree, gatherer: Gatherer, fits: Fits, seconds: dict[str, float], trials: Trials | None
) -> list[Explained]:
    """The packages of emerge's list."""
    judged = [(package, _verdicts(gatherer, package)) for package in found.packages]
    closest = {package: verdicts[0][1] for package, verdicts in judged if verdicts and verdicts[0][0].only_here}
    looks = Looks(tree, Symbols(found, tree, closest), fits)
    packages = []
    service = _service(found)
    for package, known in judged:
        looked = _looked(looks, gatherer, package, known)
        verdicts = [verdict for verdict, _ in looked]
        if looked and trials is not None:
            # Only the closest: what comes over the network is what emerge would fetch.
            arrives = trials.reason(verdicts[0].offer, looked[0][1])
            verdicts[0] = replace(verdicts[0], reasons=(*verdicts[0].reasons, *filter(None, (arrives,))))
        if package.type_name != "binary":
            verdicts = sorted([*verdicts, *local.unindexed(tree, package)], key=closeness)
        wanted = gatherer.wanted(package)
        masks = tuple(_instead(found, package, wanted, service)) if package.type_name == "ebuild" else ()
        packages.append(Explained(wanted, tuple(verdicts), seconds.get(wanted.cp), masks))
    return packages


def _service(found: Resolution) -> str:
    """The build service that this host can ask; empty without one."""
    with contextlib.suppress(PortageExtError):
        asking = configuration.load(Path(found.settings["PORTAGE_CONFIGROOT"])).asking
        return asking.where if asking is not None else ""
    return ""


def _instead(found: Resolution, package: Any, wanted: Wanted, service: str) -> Iterator[Reason]:
    """What is done about an ebuild instead of compiling it."""
    if found.waits(package):
        yield kept(wanted, found.again)
    if service:
        yield elsewhere(wanted, service)


def _missing(gatherer: Gatherer, atoms: Sequence[Any], seconds: dict[str, float]) -> list[Explained]:
    """The packages that emerge would have needed and may not take."""
    packages = []
    for package in unresolved.packages(gatherer, atoms):
        wanted = replace(gatherer.wanted(package), kind="nothing")
        verdicts = tuple(verdict for verdict, _ in _verdicts(gatherer, package, taken=False))
        packages.append(Explained(wanted, verdicts, seconds.get(wanted.cp), unresolved.masks(gatherer, package)))
    return packages


def _complaint(text: str) -> str:
    """What emerge said, without its progress."""
    lines = (line for line in text.split("\n") if line.strip() and not line.startswith(_PROGRESS))
    return "\n".join(lines) or "it does not say why"


def _verdicts(gatherer: Gatherer, package: Any, *, taken: bool = True) -> list[tuple[Verdict, Any]]:
    """A verdict for each candidate of ``package``, with it, the closest first; ``taken``: emerge takes ``package``."""
    wanted = gatherer.wanted(package)
    found = []
    for candidate in gatherer.candidates(package):
        if taken and package.type_name == "binary" and gatherer.is_taken(candidate, package):
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
