"""emerge's merge list as steps of the plan check, and its verdict as edges between packages and as words for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from portage.versions import vercmp

from portage_ext.config.toolchain import Mode
from portage_ext.emerge.plan.installed_world import InstalledWorld, libraries
from portage_ext.emerge.plan.strictness import Modes
from portage_ext.host import contracts
from portage_ext.model.contract import Library, Need, SymbolContract
from portage_ext.toolchain.plan import Problem, Step, Verdict
from portage_ext.toolchain.refusal import Ways, breaks, covers, unmet
from portage_ext.toolchain.walk import check


class Plan:
    """The plan check of one run of emerge. ``settings`` are those of the run; package.env is asked package by package."""

    def __init__(self, settings: Any) -> None:
        self._modes = Modes(settings)
        self._worlds: dict[str, InstalledWorld] = {}

    @property
    def off(self) -> bool:
        """Nothing is checked in this run."""
        return self._modes.off

    def mode(self, package: Any) -> Mode:
        """How strictly ``package`` (an ``_emerge.Package``) is checked."""
        return self._modes.of(package.cpv, package.root_config.settings)

    def judge(self, tasks: Sequence[Any], trees: Any) -> tuple[list[Any], Verdict]:
        """Check ``tasks`` (the serialized list of a depgraph), root by root.

        Returns the packages in their order, and the verdict with places in that list.
        """
        packages = [task for task in tasks if getattr(task, "operation", None) in ("merge", "uninstall")]
        edges, problems = [], []
        for root in dict.fromkeys(package.root for package in packages):
            places = [place for place, package in enumerate(packages) if package.root == root]
            world = self.world(root, trees)
            merges = [packages[place] for place in places if packages[place].operation == "merge"]
            world.plan(merges, trees[root]["bintree"])
            steps = [self._step(packages[place], trees[root], world) for place in places]
            verdict = check(steps, world)
            edges += [type(e)(places[e.earlier], places[e.later], e.need) for e in verdict.edges]
            problems += [replace(problem, step=places[problem.step]) for problem in verdict.problems]
        return packages, Verdict(tuple(edges), tuple(problems))

    def forget(self) -> None:
        """Read the systems again, because they have changed."""
        self._worlds.clear()

    def world(self, root: str, trees: Any) -> InstalledWorld:
        if root not in self._worlds:
            tree = trees[root]
            self._worlds[root] = InstalledWorld(tree["root_config"].settings, tree["vartree"].dbapi)
        return self._worlds[root]

    def _step(self, package: Any, tree: Any, world: InstalledWorld) -> Step:
        database = tree["vartree"].dbapi
        name, cp = str(package.cpv), str(package.cp)
        uninstall = package.operation == "uninstall"
        replaces = [name] if uninstall else [str(cpv) for cpv in database.match(package.slot_atom)]
        removes = {library: versions for cpv in replaces for library, versions in world.defines(cpv).items()}
        contract = contracts.of_binary(tree["bintree"], package, world.eprefix) if package.type_name == "binary" else None
        contract = world.placed(contract) if contract is not None else None
        kept = contract.defines if contract is not None else {}
        known = uninstall or contract is not None
        leaves = world.left(replaces, [library for library in removes if library not in kept]) if known else {}
        hides = {placed: versions for cpv in replaces for placed, versions in world.private(cpv).items()}
        may = frozenset() if uninstall else _may_provide(package, contract, tree)
        kind = "uninstall" if uninstall else "binary" if package.type_name == "binary" else "source"
        preserves = "preserve-libs" in package.root_config.settings.features
        exempt = kind == "binary" and self.mode(package) is Mode.OFF
        return Step(name, cp, kind, contract, frozenset(replaces), removes, leaves, hides, may, preserves, exempt)  # type: ignore[arg-type]

    def words(self, problem: Problem, package: Any, trees: Any) -> str:
        """The message for ``problem`` of ``package``."""
        name, cp = str(package.cpv), str(package.cp)
        if problem.victim is not None:
            if problem.hides:
                return covers(name, problem.victim, problem.need, problem.missing)
            return breaks(name, problem.victim, problem.need, problem.missing, found=problem.found)
        tree = trees[package.root]
        world = self.world(package.root, trees)
        ways = Ways(_offers(tree["bintree"], problem.need, world.eprefix) or sorted(world.owners(problem.need.library)),
                    world.system.unselected(problem.need))  # fmt: skip
        return unmet(name, cp, problem.need, problem.missing, found=problem.found, ways=ways)


def _may_provide(package: Any, contract: SymbolContract | None, tree: Any) -> frozenset[Library] | None:
    """The libraries that ``package`` may provide beyond those in ``contract``; None: any library.

    For a package that will be compiled: all libraries of any of its versions, installed or binary.
    """
    if contract is not None and contract.private is not None:
        return frozenset()
    said = frozenset(libraries(package._metadata.get("PROVIDES", "")))
    if package.type_name == "binary":
        return said - (contract.defines.keys() if contract is not None else frozenset())
    texts = [
        database.aux_get(cpv, ["PROVIDES"])[0]
        for database in (tree["vartree"].dbapi, tree["bintree"].dbapi)
        for cpv in database.cp_list(package.cp)
    ]
    return frozenset(library for text in texts for library in libraries(text)) if texts else None


def _offers(tree: Any, need: Need, eprefix: str) -> list[str]:
    """The binaries of all binhosts that define what is needed, the newest version first."""
    found = {}
    for entry in (tree._remotepkgs or {}).values():
        contract = contracts.of_index_entry(entry, need.soname, eprefix)
        if contract is not None and need.versions <= contract.defines.get(need.library, frozenset()):
            found[str(entry["CPV"])] = entry["CPV"]
    return sorted(found, key=lambda cpv: _Version(found[cpv]), reverse=True)


class _Version:
    """Orders packages by name and version."""

    def __init__(self, cpv: Any) -> None:
        self._cp: str = cpv.cp
        self._version: str = cpv.version

    def __lt__(self, other: _Version) -> bool:
        return (self._cp, 0) < (other._cp, 0) if self._cp != other._cp else (vercmp(self._version, other._version) or 0) < 0
