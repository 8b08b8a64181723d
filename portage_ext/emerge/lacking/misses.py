"""The misses of a run: packages that emerge would compile, for which binaries are wanted, and that can be built elsewhere.

Values of ``asking/protocol`` are made of Portage's packages here, with exactly what says which package fits: nothing else
leaves this host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from portage_ext.asking.protocol import Wanted
from portage_ext.emerge import session
from portage_ext.host.probe import Attribute, Expectation, Function, Names

_GRAPH: Final = "_emerge.depgraph:depgraph"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Function(f"{_GRAPH}.altlist", ("self",)),
    Function(f"{_GRAPH}._pkg_use_enabled", ("self", "pkg")),
    Names("_emerge.depgraph:_frozen_depgraph_config.__init__", ("usepkg_exclude", "myopts")),
    *(
        Attribute(f"_emerge.Package:Package.{name}")
        for name in ("cpv", "slot", "sub_slot", "repo", "iuse", "operation", "type_name", "_metadata", "root_config")
    ),
)


def compiled(graph: Any) -> list[Any]:
    """What the finished ``graph`` would compile and could be built elsewhere: no live package, nothing that was forced."""
    forced = graph._frozen_config.usepkg_exclude
    return [
        one
        for one in graph.altlist()
        if getattr(one, "type_name", "") == "ebuild"
        and one.operation == "merge"
        and "live" not in one._metadata.get("PROPERTIES", "").split()
        and not forced.findAtomForPackage(one)
    ]


def whitelisted(packages: Iterable[Any], getbinpkg: bool) -> Iterator[Any]:
    """Those of ``packages`` that may come from a binhost; ``getbinpkg``: it is on for the run."""
    current = session.current
    for one in packages:
        if current.whitelist(one.root_config.settings).is_on(one.cpv) if current is not None else getbinpkg:
            yield one


def wanted(graph: Any, package: Any) -> Wanted:
    """``package`` as ``graph`` would have it compiled."""
    enabled = graph._pkg_use_enabled(package)
    use = {flag: "on" if flag in enabled else "off" for flag in sorted(package.iuse.all)}
    return Wanted(str(package.cpv), f"{package.slot}/{package.sub_slot}", str(package.repo), use)
