"""Whether the list would still be merged if a binary were taken: asked of the plan check, with the binary in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from portage_ext.config.toolchain import Mode
from portage_ext.emerge.plan import strictness
from portage_ext.emerge.plan.merge_list import Plan
from portage_ext.explain.candidates import CandidateTree
from portage_ext.explain.resolution import Resolution
from portage_ext.host import contracts
from portage_ext.host.probe import Expectation, Names
from portage_ext.limits import PLAN_STEPS

EXPECTED: Final[tuple[Expectation, ...]] = (
    Names("_emerge.depgraph:_frozen_depgraph_config.__init__", ("_trees_orig",)),
    *strictness.EXPECTED,
    *contracts.OF_BINARIES,
    *contracts.OF_INSTALLED,
)


class Symbols:
    """One check for the ``closest`` candidates (by package) all together, and one for each other among them.

    The others are checked for PLAN_STEPS steps altogether, which is every candidate unless the list is long.
    """

    def __init__(self, resolution: Resolution, tree: CandidateTree, closest: Mapping[Any, Any]) -> None:
        self._plan = Plan(resolution.settings)
        self._list: Sequence[Any] = [] if self._plan.off else resolution.graph.altlist()
        # The candidates of this host are in a tree of their own.
        self._trees = {
            root: {**trees, "bintree": tree} if root == resolution.settings["EROOT"] else trees
            for root, trees in resolution.graph._frozen_config._trees_orig.items()
        }
        self._closest = closest
        self._lacking = self._check(closest)
        self._left = PLAN_STEPS

    def of_closest(self, package: Any) -> tuple[str, ...]:
        """What the plan check says of the closest candidate of ``package``, or of the binary that it is."""
        return self._lacking.get(package, ())

    def of_other(self, package: Any, candidate: Any) -> tuple[str, ...]:
        """What it says of another ``candidate`` of ``package``; nothing once PLAN_STEPS are spent."""
        self._left -= len(self._list)
        return self._check({**self._closest, package: candidate}).get(package, ()) if self._left >= 0 else ()

    def _check(self, chosen: Mapping[Any, Any]) -> dict[Any, tuple[str, ...]]:
        owners = {id(candidate): package for package, candidate in chosen.items()}
        packages, verdict = self._plan.judge([chosen.get(one, one) for one in self._list], self._trees)
        found: dict[Any, tuple[str, ...]] = {}
        for problem in verdict.problems:
            package = packages[problem.step]
            if self._plan.mode(package) is Mode.ENFORCE:
                owner = owners.get(id(package), package)
                found[owner] = (*found.get(owner, ()), self._plan.words(problem, package, self._trees))
        return found
