"""Toolchain first, inside emerge: the merge list is checked when it is ordered, and again when it is resumed.

The edges are added to the resolver's graph before it is serialized, so the shown list, the scheduler, ``--jobs``,
``--resume``, ``--keep-going`` and the forked resolver all use them. If this code fails, it prints the error and Portage's own
list is used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Set
from typing import Any, Final

from _emerge.Dependency import Dependency
from _emerge.depgraph import depgraph
from _emerge.DepPriority import DepPriority
from portage.exception import PortageException
from portage.package.ebuild.config import config

from portage_ext.config.toolchain import VARIABLE
from portage_ext.emerge import messages, patching
from portage_ext.emerge.patching import Function, Patch
from portage_ext.emerge.plan import preserved, strictness
from portage_ext.emerge.plan.merge_list import Plan
from portage_ext.host import contracts
from portage_ext.host.probe import Attribute, Expectation, Names
from portage_ext.host.probe import Function as Expected
from portage_ext.limits import PLAN_ROUNDS
from portage_ext.toolchain.cycles import on_cycle
from portage_ext.toolchain.plan import Problem

_OWN: Final = "_portage_ext_problems"
_GRAPH: Final = "_emerge.depgraph:depgraph"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Expected(f"{_GRAPH}._serialize_tasks", ("self",), callers=(f"{_GRAPH}.altlist",)),
    Expected(f"{_GRAPH}.display_problems", ("self",)),
    Expected(f"{_GRAPH}._loadResumeCommand", ("self", "resume_data"), callers=("_emerge.depgraph:_resume_depgraph",)),
    Expected(f"{_GRAPH}._show_merge_list", ("self",)),
    Expected(f"{_GRAPH}.UnsatisfiedResumeDep.__init__", ("self", "depgraph", "value")),
    Attribute(f"{_GRAPH}._unknown_internal_error"),
    Names(
        f"{_GRAPH}._serialize_tasks",
        ("digraph", "copy", "_unknown_internal_error", "_circular_deps_for_display", "_skip_restart"),
    ),
    Names(f"{_GRAPH}.altlist", ("_serialized_tasks_cache", "_scheduler_graph")),
    Names("_emerge.depgraph:_frozen_depgraph_config.__init__", ("_trees_orig", "myopts")),
    Names("_emerge.depgraph:_dynamic_depgraph_config.__init__", ("digraph",)),
    Expected("portage.util.digraph:digraph.add", ("self", "node", "parent"), ("priority",)),
    Expected("portage.util.digraph:digraph.copy", ("self",)),
    Names("portage.util.digraph:digraph.__init__", ("nodes",)),
    *(Attribute(f"_emerge.DepPriority:DepPriority.{name}") for name in ("buildtime", "runtime", "satisfied", "optional")),
    *(Attribute(f"_emerge.Dependency:Dependency.{name}") for name in ("parent", "root")),
    *(Attribute(f"_emerge.Package:Package.{name}") for name in ("_metadata", "operation", "root_config", "slot_atom")),
    Expected("portage.package.ebuild.config:config.environ", ("self",)),
    Names("portage.package.ebuild.config:config.environ", ("_environ_whitelist",)),
    Attribute("portage.package.ebuild.config:config._environ_whitelist"),
    *strictness.EXPECTED,
    *preserved.EXPECTED,
    *contracts.OF_BINARIES,
    *contracts.OF_INSTALLED,
)

current: Plan | None = None
"""The plan check of this run of emerge, if it has one."""
_resuming = 0


def begin(emerge_config: Any) -> None:
    """Check the merge list of this run."""
    global current
    current = None
    connect()
    plan = Plan(emerge_config.target_config.settings)
    if not plan.off:
        current = plan


def end() -> None:
    """Stop checking."""
    global current
    current = None


def connect() -> None:
    """Patch this Portage, unless it is patched already."""
    patching.apply(_PATCHES)


def _serialize_tasks(original: Function) -> Function:
    def _serialize_tasks(self: Any) -> Any:
        result = original(self)
        if current is None:
            return result
        added: set[tuple[Any, Any]] = set()
        for _ in range(PLAN_ROUNDS):
            new, problems = _judged(self, current, result[0], added)
            if not new or _kept(self, result, new):
                _settle(self, current, result, problems)
                break
            added.update(new)
            again = _ordered(self, original, new, added)
            if again is None:
                _settle(self, current, result, problems)
                break
            result = again
        return result

    return _serialize_tasks


def _kept(graph: Any, result: Any, pairs: list[tuple[Any, Any]]) -> bool:
    """Whether the list is already in a valid order. Then it stays, with the edges added for parallel merges."""
    try:
        place = {task: number for number, task in enumerate(result[0])}
        if not all(place[earlier] < place[later] for earlier, later in pairs):
            return False
        for edges in (graph._dynamic_config.digraph, result[1]):
            _add_edges(edges, pairs)
    except Exception as error:  # noqa: BLE001 - Portage's own list instead
        messages.failed("the order of the merge list", error)
    return True


def _ordered(graph: Any, original: Function, pairs: list[tuple[Any, Any]], added: Set[tuple[Any, Any]]) -> Any:
    """Portage's order with ``pairs`` (earlier, later), which are part of ``added``, in the graph.

    Returns None and restores the graph if that fails: Portage has ordered this graph without ``pairs``, so they cause the
    failure, in our code or in Portage's. A PortageException, which Portage raises on purpose, is passed on.
    """
    dynamic = graph._dynamic_config
    before = dynamic.digraph.copy(), dynamic._skip_restart
    try:
        return _ordered_with(graph, original, pairs, on_cycle(added))
    except PortageException:
        raise
    except Exception as error:  # noqa: BLE001 - Portage's own list instead
        messages.failed("the order of the merge list", error)
    dynamic.digraph, dynamic._skip_restart = before
    dynamic._circular_deps_for_display = None
    return None


def _ordered_with(graph: Any, original: Function, pairs: list[tuple[Any, Any]], circular: Set[tuple[Any, Any]]) -> Any:
    """Serialize with ``pairs`` as edges that are as hard as those that Portage itself adds for libc.

    In a cycle, Portage therefore breaks a declared dependency and not what the loader enforces. The pairs in ``circular``, or
    all pairs if there is no order otherwise, become runtime dependencies, so that Portage can break the cycle.
    """
    dynamic = graph._dynamic_config
    _add_edges(dynamic.digraph, pairs, circular)
    restart = dynamic._skip_restart
    # First relax the pairs that contradict a declared dependency which no installed package meets; then all pairs.
    for everything in (False, True):
        try:
            return original(graph)
        except graph._unknown_internal_error:
            if dynamic._circular_deps_for_display is None:
                raise
        dynamic._circular_deps_for_display = None
        dynamic._skip_restart = restart
        softer = pairs if everything else on_cycle([*pairs, *_declared(dynamic.digraph)])
        for earlier, later in pairs:
            if (earlier, later) in softer:
                for priority in dynamic.digraph.nodes[later][0][earlier]:
                    if isinstance(priority, DepPriority) and priority.buildtime and priority.runtime and not priority.satisfied:
                        priority.buildtime = False
    return original(graph)


def _add_edges(digraph: Any, pairs: list[tuple[Any, Any]], circular: Set[tuple[Any, Any]] = frozenset()) -> None:
    for earlier, later in pairs:
        digraph.add(earlier, later, priority=DepPriority(buildtime=(earlier, later) not in circular, runtime=True))


def _declared(digraph: Any) -> Iterator[tuple[Any, Any]]:
    """The dependencies of the graph that are not met yet, as (earlier, later)."""
    for node, (children, _, _) in digraph.nodes.items():
        for child, priorities in children.items():
            if any(isinstance(one, DepPriority) and not (one.satisfied or one.optional) for one in priorities):
                yield child, node


def _judged(
    graph: Any, plan: Plan, tasks: Any, added: set[tuple[Any, Any]]
) -> tuple[list[tuple[Any, Any]], list[tuple[Problem, Any]]]:
    """The pairs of packages (earlier, later) that the graph still lacks, and the problems with their packages."""
    try:
        packages, verdict = plan.judge(tasks, graph._frozen_config._trees_orig)
        pairs = [(packages[edge.earlier], packages[edge.later]) for edge in verdict.edges]
        if "--nodeps" in graph._frozen_config.myopts:
            # Such a request is merged as given, in the given order; the guard checks it. Other packages must not suffer.
            return [], [(one, packages[one.step]) for one in verdict.problems if one.victim is not None]
        new = [pair for pair in dict.fromkeys(pairs) if pair not in added and plan.mode(pair[1]).orders]
        return new, [(problem, packages[problem.step]) for problem in verdict.problems]
    except Exception as error:  # noqa: BLE001 - Portage's own order instead
        messages.failed("the check of the merge list", error)
        return [], []


def _settle(graph: Any, plan: Plan, result: Any, problems: list[tuple[Problem, Any]]) -> None:
    """Refuse the list in the way Portage refuses a list that it cannot order. A resumed list only loses those packages."""
    texts: list[str] = []
    refused: dict[Any, Dependency] = {}
    try:
        for problem, package in problems:
            texts.append(plan.words(problem, package, graph._frozen_config._trees_orig))
            if plan.mode(package) == "enforce":
                refused[package] = Dependency(parent=package, root=package.root)
    except Exception as error:  # noqa: BLE001 - Portage's own list instead
        messages.failed("the check of the merge list", error)
        return
    setattr(graph, _OWN, texts)
    if not refused:
        return
    if _resuming:
        _say(graph)
        raise graph.UnsatisfiedResumeDep(graph, list(refused.values()))
    dynamic = graph._dynamic_config
    dynamic._serialized_tasks_cache, dynamic._scheduler_graph = result
    dynamic._skip_restart = True
    raise graph._unknown_internal_error()


def _say(graph: Any) -> None:
    texts = getattr(graph, _OWN, ())
    setattr(graph, _OWN, ())
    for text in dict.fromkeys(texts):
        messages.line(text)


def _display_problems(original: Function) -> Function:
    def display_problems(self: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(self, _OWN, ()):
            self._show_merge_list()
        result = original(self, *args, **kwargs)
        _say(self)
        return result

    return display_problems


@contextlib.contextmanager
def _while_resuming() -> Iterator[None]:
    global _resuming
    _resuming += 1
    try:
        yield
    finally:
        _resuming -= 1


def _load_resume_command(original: Function) -> Function:
    def _loadResumeCommand(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N802 - Portage's name
        if current is not None:
            # With --keep-going, packages have been merged after this run was planned.
            current.forget()
        with _while_resuming():
            return original(self, *args, **kwargs)

    return _loadResumeCommand


_PATCHES: Final = (
    Patch(depgraph, "_serialize_tasks", _serialize_tasks),
    Patch(depgraph, "display_problems", _display_problems),
    Patch(depgraph, "_loadResumeCommand", _load_resume_command),
    # The guard runs in phases of binaries, and Portage passes only known variables into these.
    Patch(config, "_environ_whitelist", lambda known: frozenset((*known, VARIABLE))),
)
