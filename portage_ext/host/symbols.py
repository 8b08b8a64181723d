"""Whether the list would still be merged if the closest binaries were taken: one plan check for all of them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from portage_ext.config.toolchain import Mode
from portage_ext.host.candidates import CandidateTree
from portage_ext.host.plan import Plan
from portage_ext.host.resolution import Resolution


def unmet(resolution: Resolution, tree: CandidateTree, chosen: Mapping[Any, Any]) -> dict[Any, tuple[str, ...]]:
    """For packages of the list, what the plan check says of their candidate in ``chosen``, or of the binary that they are."""
    plan = Plan(resolution.settings)
    if plan.off:
        return {}
    tasks: Sequence[Any] = [chosen.get(one, one) for one in resolution.graph.altlist()]
    owners = {id(candidate): package for package, candidate in chosen.items()}
    # The candidates of this host are in a tree of their own.
    trees = {
        root: {**trees, "bintree": tree} if root == resolution.settings["EROOT"] else trees
        for root, trees in resolution.graph._frozen_config._trees_orig.items()
    }
    packages, verdict = plan.judge(tasks, trees)
    found: dict[Any, tuple[str, ...]] = {}
    for problem in verdict.problems:
        package = packages[problem.step]
        if plan.mode(package) is Mode.ENFORCE:
            owner = owners.get(id(package), package)
            found[owner] = (*found.get(owner, ()), plan.words(problem, package, trees))
    return found
