"""By which atoms a package came into emerge's list, and which of them a candidate in its place would not satisfy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from _emerge.DependencyArg import DependencyArg
from portage._sets.base import InternalPackageSet

from portage_ext.host.probe import Expectation, Function, Names

EXPECTED: Final[tuple[Expectation, ...]] = (
    Names("_emerge.depgraph:depgraph._process_slot_conflict", ("_parent_atoms",)),
    Function("portage._sets.base:InternalPackageSet.__init__", ("self",), ("initial_atoms", "allow_repo")),
    Function("portage._sets.base:PackageSet.findAtomForPackage", ("self", "pkg"), ("modified_use",)),
)


def unmet(graph: Any, package: Any, candidate: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What was asked for and ``candidate`` is not, and what other packages need, each with its atom.

    The resolver asks the same of packages in one slot (``depgraph._process_slot_conflict``).
    """
    asked, needed = [], []
    for parent, atom in _atoms(graph, package):
        if not InternalPackageSet(initial_atoms=(atom,), allow_repo=True).findAtomForPackage(
            candidate, modified_use=candidate.use.enabled
        ):
            if isinstance(parent, DependencyArg):
                asked.append(str(atom))
            else:
                needed.append(f"{parent.cpv} needs {atom}")
    return tuple(dict.fromkeys(asked)), tuple(dict.fromkeys(sorted(needed)))


def _atoms(graph: Any, package: Any) -> Iterator[tuple[Any, Any]]:
    for parent, atom in graph._dynamic_config._parent_atoms.get(package, ()):
        if atom.package:  # and not a soname
            yield parent, atom
