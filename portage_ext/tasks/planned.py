"""The merge list that emerge would make of a request, as a graph: its packages, and the edges of the resolver; or what of it
a build service can be asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from portage_ext.asking.protocol import Wanted
from portage_ext.errors import ResolutionError
from portage_ext.explain import resolution
from portage_ext.explain.resolution import resolve
from portage_ext.graph.plan import Kind, Node, Plan
from portage_ext.host import probe
from portage_ext.host.buildtimes import log_path, merge_times
from portage_ext.host.probe import Expectation, Function, Names

EXPECTED: Final[tuple[Expectation, ...]] = (
    *resolution.EXPECTED,
    Names("_emerge.depgraph:depgraph.altlist", ("_dynamic_config",)),
    Names("_emerge.depgraph:_dynamic_depgraph_config.__init__", ("digraph",)),
    Function("portage.util.digraph:digraph.child_nodes", ("self", "node")),
)
LOSS: Final = "`portage-ext graph` cannot work"
_MISSED: Final[tuple[Expectation, ...]] = (
    *resolution.EXPECTED,
    Function("_emerge.depgraph:depgraph._pkg_use_enabled", ("self", "pkg")),
    Names("_emerge.depgraph:_frozen_depgraph_config.__init__", ("usepkg_exclude", "myopts")),
)


def planned(words: Sequence[str]) -> Plan:
    """What ``emerge --pretend`` makes of ``words``. Raises UsageError, ResolutionError, UnknownPortageError."""
    probe.check(LOSS, EXPECTED)
    found = resolve(words)
    if not found.resolved:
        raise ResolutionError(found.spoken.strip() or "it does not say why")
    graph = found.graph._dynamic_config.digraph
    places = {package: place for place, package in enumerate(found.packages)}
    times = merge_times(log_path(found.settings))
    nodes = []
    needs = []
    for package, place in places.items():
        kind = Kind.BINARY if package.built else Kind.EBUILD
        known = times.binaries if package.built else times.builds
        nodes.append(Node(str(package.cpv), kind, str(package.root), known.get(package.cp)))
        below = graph.child_nodes(package) if package in graph else ()
        needs.append(tuple(sorted({places[child] for child in below if child in places} - {place})))
    return Plan(tuple(nodes), tuple(needs))


def missed(words: Sequence[str]) -> list[Wanted]:
    """What ``emerge --pretend`` would compile for ``words``, and can be built elsewhere, with or without BUILD_ON_MISS.

    Raises UsageError, SettingsError, ResolutionError, UnknownPortageError.
    """
    probe.check("`portage-ext request` cannot work", _MISSED)
    found = resolve(words)
    if not found.resolved:
        raise ResolutionError(found.spoken.strip() or "it does not say why")
    # Imports Portage, which reads the environment when it is imported.
    from portage_ext.emerge.lacking import misses

    return [misses.wanted(found.graph, one) for one in misses.compiled(found.graph)]
