"""Where emerge could not resolve the request: the packages that would have satisfied it, and what masks each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from portage_ext.explain import objections
from portage_ext.explain.facts import Gatherer
from portage_ext.explain.reasons import masked
from portage_ext.explain.verdict import Reason
from portage_ext.host.probe import Expectation, Function, Names

_GRAPH: Final = "_emerge.depgraph:depgraph"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Names("_emerge.depgraph:_dynamic_depgraph_config.__init__", ("_unsatisfied_deps_for_display",)),
    Function(f"{_GRAPH}._iter_match_pkgs", ("self", "root_config", "pkg_type", "atom")),
)


def atoms(graph: Any) -> list[Any]:
    """What emerge found nothing for that it may take: atoms that were asked for, or that packages depend on."""
    found = (pargs[1] for pargs, _ in graph._dynamic_config._unsatisfied_deps_for_display)
    return list(dict.fromkeys(atom.without_use for atom in found if atom.package))


def packages(gatherer: Gatherer, wanted: Sequence[Any]) -> Iterator[Any]:
    """For each atom the newest ebuild, masked or not; else the newest binary. Nothing where there is neither."""
    for atom in wanted:
        ebuilds = gatherer.graph._iter_match_pkgs(gatherer.root_config, "ebuild", atom)
        package = next(iter(ebuilds), None) or next(gatherer.matching(atom), None)
        if package is not None:
            yield package


def masks(gatherer: Gatherer, package: Any) -> tuple[Reason, ...]:
    """What masks the ebuild ``package``, each with the line that lifts it."""
    if package.type_name != "ebuild":
        return ()
    found = objections.masks(package, gatherer.root_config, gatherer.own_settings, gatherer.places, None)
    return tuple(masked(found))
