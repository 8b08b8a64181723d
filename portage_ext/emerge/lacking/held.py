"""Which updates a finished resolution of emerge leaves out because an ebuild was hidden from it: what waits for a binary.

An update counts when emerge would have looked for it in this run (``--update``, ``--deep``, what was named), when nobody in
the list needs the older version, and when it is visible. An update counts too, whether it is a binary or compiled, when Portage
gave it up because it needs something that waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from _emerge.Package import Package
from portage.dep import Atom, match_from_list

from portage_ext.host.probe import Attribute, Expectation, Function, Names

_GRAPH: Final = "_emerge.depgraph:depgraph"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Names("_emerge.depgraph:_dynamic_depgraph_config.__init__", ("_parent_atoms", "_package_tracker", "myparams")),
    Names("_emerge.depgraph:_dynamic_depgraph_config.__init__", ("_unsatisfied_deps_for_display", "_missing_args")),
    Names("_emerge.depgraph:_frozen_depgraph_config.__init__", ("myopts", "excluded_pkgs")),
    Function("_emerge.resolver.package_tracker:PackageTracker.match", ("self", "root", "atom")),
    Function(f"{_GRAPH}._get_missed_updates", ("self",)),
    Function(f"{_GRAPH}._iter_match_pkgs_atom", ("self", "root_config", "pkg_type", "atom")),
    Function(f"{_GRAPH}._too_deep", ("self", "depth")),
    Function(f"{_GRAPH}._pkg_use_enabled", ("self", "pkg")),
    Function(f"{_GRAPH}._reinstall_for_flags", ("self", "pkg", "forced_flags", "orig_use", "orig_iuse", "cur_use", "cur_iuse")),
    *(
        Attribute(f"_emerge.Package:Package.{name}")
        for name in ("cp", "slot_atom", "slot", "installed", "visible", "use", "iuse")
    ),
)


class Held(NamedTuple):
    """``cpv`` is not merged. ``place`` is its ``category/name:slot``, ``installed`` the version that stays, if there is one.

    ``needs``: what it needs and waits for, when it does not wait for a binary of its own.
    """

    cpv: str
    place: str
    installed: str = ""
    needs: str = ""


def held(graph: Any, hidden: Mapping[tuple[str, str], Iterable[Any]]) -> list[Held]:
    """What ``graph`` leaves out; ``hidden`` are the ebuilds that it did not see, by root and package name."""
    found: dict[tuple[str, str], Held] = {}
    waiting: set[str] = set()
    while True:
        # An update whose parent waits too is not held back by the parent's installed version.
        new = {
            (root, one.place): one
            for (root, _), packages in hidden.items()
            for one in _of_package(graph, root, packages, waiting)
            if (root, one.place) not in found
        }
        if not new:
            break
        found.update(new)
        waiting.update(one.place for one in new.values())
    for key, one in _in_vain(graph, hidden):
        found.setdefault(key, one)
    return sorted(found.values())


def newer(graph: Any, package: Any) -> Iterator[Any]:
    """The ebuilds of ``package`` in versions above its own, hidden or not."""
    for ebuild in graph._iter_match_pkgs_atom(package.root_config, "ebuild", Atom(package.cp)):
        if ebuild.version == package.version or ebuild < package:
            return
        yield ebuild


def _of_package(graph: Any, root: str, packages: Iterable[Any], waiting: set[str]) -> Iterator[Held]:
    """The updates of one package, the highest of each slot."""
    done: set[str] = set()
    for package in sorted(packages, reverse=True):
        place = _place(package)
        if place in done or not package.visible or graph._frozen_config.excluded_pkgs.findAtomForPackage(package):
            continue
        chosen = list(graph._dynamic_config._package_tracker.match(root, package.slot_atom))
        others = chosen or list(graph._dynamic_config._package_tracker.match(root, package.slot_atom.without_slot))
        best = max(others, default=None)
        newer = best is not None and _is_update(graph, package, best)
        if (newer and _is_wanted(graph, package, best, waiting, bool(chosen))) or _is_missing(graph, root, package):
            done.add(place)
            yield Held(str(package.cpv), place, str(best.cpv) if best is not None else "")


def _is_update(graph: Any, package: Any, best: Any) -> bool:
    """Whether ``package`` is newer than ``best``, or the same version with flags for which it would be compiled again."""
    if package.version != best.version or not best.installed:
        return bool(package > best and package.version != best.version)
    options = graph._frozen_config.myopts
    if "--newuse" not in options and "--reinstall" not in options:
        return False
    forced = set(package.use.force) | set(package.use.mask)
    now = graph._pkg_use_enabled(package)
    return bool(graph._reinstall_for_flags(package, forced, best.use.enabled, best.iuse.all, now, package.iuse.all))


def _is_wanted(graph: Any, package: Any, best: Any, waiting: set[str], same_slot: bool) -> bool:
    """Whether emerge looks for updates of ``best`` in this run, and everybody who needs it would take ``package``."""
    wanted = False
    for parent, atom in graph._dynamic_config._parent_atoms.get(best, ()):
        fits = _fits(atom, package)
        if not fits:
            if same_slot and not (isinstance(parent, Package) and _place(parent) in waiting):
                return False
            continue
        wanted = wanted or _looks_for_updates(graph, parent)
    return wanted


def _looks_for_updates(graph: Any, parent: Any) -> bool:
    update = "--update" in graph._frozen_config.myopts
    if not isinstance(parent, Package):  # an argument or a set
        return update or "selective" not in graph._dynamic_config.myparams
    depth = parent.depth or 0
    return update and not graph._too_deep(depth + 1 if isinstance(depth, int) else depth)


def _is_missing(graph: Any, root: str, package: Any) -> bool:
    """Whether emerge failed, or passed over a package of a set, for lack of ``package``."""
    missing = [(where, atom) for (where, atom), _ in graph._dynamic_config._unsatisfied_deps_for_display]
    missing += [(root, atom) for _, atom in graph._dynamic_config._missing_args]
    return any(where == root and _fits(atom, package) for where, atom in missing)


def _in_vain(graph: Any, hidden: Mapping[tuple[str, str], Iterable[Any]]) -> Iterator[tuple[tuple[str, str], Held]]:
    """The updates that Portage gave up for something hidden, or for an installed package that is not compiled again."""
    for (root, _), (package, _, parents) in graph._get_missed_updates().items():
        for parent, *_, atom in parents:
            needed = [one for one in hidden.get((root, getattr(atom, "cp", "")), ()) if one.visible and _fits(atom, one)]
            behind = parent is not package and (root, getattr(parent, "cp", "")) in hidden
            if needed or behind:
                needs = str(max(needed).cpv) if needed else f"a new build of {parent.cpv}"
                stays = next(iter(graph._dynamic_config._package_tracker.match(root, package.slot_atom)), None)
                place = _place(package)
                yield (root, place), Held(str(package.cpv), place, str(stays.cpv) if stays is not None else "", needs)
                break


def _fits(atom: Any, package: Any) -> bool:
    """Whether ``package`` satisfies ``atom``, flags aside; the sub-slot of a built dependency is that of the old version."""
    if not getattr(atom, "package", False) or atom.blocker or atom.cp != package.cp:
        return False
    plain = atom.without_use
    if plain.slot_operator_built:
        return bool(plain.slot == package.slot and match_from_list(plain.without_slot, [package.cpv]))
    return bool(match_from_list(plain, [package.cpv]))


def _place(package: Any) -> str:
    return f"{package.cp}:{package.slot}"
