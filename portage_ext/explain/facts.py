"""What Portage's resolver and settings have against one binary candidate, as values.

The resolver stops at the first objection; here its own predicates are put to a candidate one by one, with the arguments with
which ``depgraph._wrapped_select_pkg_highest_available_imp`` calls them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import Any, Final, Literal

from _emerge.depgraph import depgraph
from _emerge.Package import Package
from portage._sets.base import InternalPackageSet
from portage.dep import Atom, use_reduce
from portage.exception import InvalidDependString
from portage.versions import vercmp

from portage_ext.explain import demands, kinds, objections
from portage_ext.explain.binhosts import Binhosts
from portage_ext.explain.candidates import CandidateTree
from portage_ext.explain.listing import Listings
from portage_ext.explain.objectors import Question
from portage_ext.explain.profiles import Elsewhere, Profiles
from portage_ext.explain.resolution import Resolution
from portage_ext.explain.verdict import Again, Exclusion, Facts, Flag, Listing, Offer, Places, State, Wanted
from portage_ext.host import use_origin
from portage_ext.host.probe import Attribute, Expectation, Function, Names
from portage_ext.host.use_origin import UseOrigin

_RUNTIME: Final = ("RDEPEND", "PDEPEND", "IDEPEND")


_GRAPH: Final = "_emerge.depgraph:depgraph"
_SELECTING: Final = f"{_GRAPH}._wrapped_select_pkg_highest_available_imp"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Function(
        f"{_GRAPH}._reinstall_for_flags",
        ("self", "pkg", "forced_flags", "orig_use", "orig_iuse", "cur_use", "cur_iuse"),
        callers=(_SELECTING,),
    ),
    Function(f"{_GRAPH}._changed_deps", ("self", "pkg"), callers=(_SELECTING,)),
    Function(f"{_GRAPH}._changed_slot", ("self", "pkg"), callers=(_SELECTING,)),
    Function(f"{_GRAPH}._equiv_ebuild", ("self", "pkg")),
    Function(f"{_GRAPH}._equiv_ebuild_visible", ("self", "pkg"), callers=(_SELECTING,)),
    Function(f"{_GRAPH}._pkg_use_enabled", ("self", "pkg")),
    Function(f"{_GRAPH}._select_pkg_highest_available", ("self", "root", "atom")),
    Names(f"{_GRAPH}.__init__", ("_frozen_config", "_dynamic_config", "_select_package")),
    Names(_SELECTING, ("myparams",)),
    Names(f"{_GRAPH}.altlist", ("_serialized_tasks_cache",)),
    Names("_emerge.depgraph:_frozen_depgraph_config.__init__", ("myopts", "pkgsettings", "roots")),
    Names("_emerge.depgraph:_dynamic_depgraph_config.__init__", ("_package_tracker", "_runtime_pkg_mask", "myparams")),
    Function("_emerge.resolver.package_tracker:PackageTracker.match", ("self", "root", "atom")),
    Function(
        "_emerge.Package:Package.__init__", ("self",), ("built", "cpv", "installed", "metadata", "root_config", "type_name")
    ),
    *(
        Attribute(f"_emerge.Package:Package.{name}")
        for name in (
            *("_dep_keys", "_metadata", "_raw_metadata", "_runtime_keys", "operation"),
            "root_config",
            "slot",
            "sub_slot",
            "type_name",
        )
    ),
    *(Attribute(f"_emerge.Package:Package._use_class.{name}") for name in ("enabled", "force", "mask")),
    *(Attribute(f"_emerge.Package:Package._iuse.{name}") for name in ("all", "is_valid_flag")),
    Names("portage.dbapi.bintree:bindbapi.__init__", ("_aux_cache_keys",)),
    Function("portage.dbapi.bintree:bindbapi.aux_get", ("self", "mycpv", "wants")),
    Function("portage.dbapi.bintree:bindbapi.cp_list", ("self",)),
    Function("portage.dbapi.porttree:portdbapi.findname", ("self", "mycpv"), ("myrepo",)),
    Function("portage.dep:use_reduce", ("depstr",), ("uselist", "eapi", "opconvert", "flat", "token_class")),
    Function("portage.versions:vercmp", ("ver1", "ver2")),
    *use_origin.EXPECTED,
)


class Gatherer:
    """Puts the questions of one resolution; ``tree`` has the candidates."""

    def __init__(self, resolution: Resolution, tree: CandidateTree, binhosts: Binhosts) -> None:
        self.resolution = resolution
        self.graph: depgraph = resolution.graph
        self.tree = tree
        self.settings = resolution.settings
        self._listings = Listings(resolution)
        self.root_config = self.graph._frozen_config.roots[resolution.settings["EROOT"]]
        self._profiles = Profiles(resolution.settings, binhosts)

    @cached_property
    def own_settings(self) -> Any:
        """The settings that the graph asks about single packages."""
        return self.graph._frozen_config.pkgsettings[self.root_config.root]

    @cached_property
    def _origin(self) -> UseOrigin:
        return UseOrigin(self.own_settings)

    @cached_property
    def places(self) -> Places:
        """Where remedies go."""
        return objections.places(self.settings)

    def wanted(self, package: Any) -> Wanted:
        """The package of emerge's list as a value."""
        return Wanted(
            str(package.cpv),
            package.cp,
            package.version,
            package.slot,
            package.sub_slot,
            package.repo,
            "binary" if package.type_name == "binary" else "ebuild",
            self._since(package),
        )

    def _since(self, package: Any) -> int:
        file = self.root_config.trees["porttree"].dbapi.findname(str(package.cpv), myrepo=package.repo)
        try:
            return int(os.stat(file).st_mtime) if file else 0
        except OSError:
            return 0

    def candidates(self, package: Any) -> Iterator[Package]:
        """The binaries of the same package name and slot, the newest first."""
        for one in self._binaries(package.cp):
            if one.slot == package.slot or str(one.cpv) == str(package.cpv):
                yield one

    def matching(self, atom: Any) -> Iterator[Package]:
        """The binaries that match ``atom``, the newest first."""
        wanted = InternalPackageSet(initial_atoms=(atom,), allow_repo=True)
        return (one for one in self._binaries(atom.cp) if wanted.findAtomForPackage(one, modified_use=one.use.enabled))

    def _binaries(self, cp: str) -> Iterator[Package]:
        keys = list(self.tree.dbapi._aux_cache_keys)
        for cpv in reversed(self.tree.dbapi.cp_list(cp)):
            values = dict(zip(keys, self.tree.dbapi.aux_get(cpv, keys), strict=True))
            yield Package(
                built=True, cpv=cpv, installed=False, metadata=values, root_config=self.root_config, type_name="binary"
            )

    def offer(self, candidate: Package) -> Offer:
        cpv = candidate.cpv
        binrepo = self.tree.binrepos.get(self.tree.dbapi._instance_key(cpv)) if self.tree.isremote(cpv) else None
        return Offer(
            str(cpv),
            cpv.cp,
            cpv.version,
            candidate.slot,
            candidate.sub_slot,
            binrepo,
            str(cpv.build_id or ""),
            int(cpv.build_time or 0),
            int(cpv.file_size or 0),
            self.tree.indexed(binrepo or ""),
        )

    def is_taken(self, candidate: Package, package: Any) -> bool:
        """Whether the binary ``package`` of emerge's list is this very candidate."""
        key = self.tree.dbapi._instance_key
        return bool(key(candidate.cpv) == key(package.cpv))

    def facts(self, candidate: Package, package: Any) -> Facts:
        """Everything against ``candidate`` in place of ``package``, which is on emerge's list."""
        offer = self.offer(candidate)
        order = int(vercmp(candidate.version, package.version) or 0)
        graph, parameters = self.graph, self.graph._dynamic_config.myparams
        ebuild = package if order == 0 and package.type_name == "ebuild" else graph._equiv_ebuild(candidate)
        elsewhere = self._profiles.of(offer.binrepo)
        masks = tuple(objections.masks(candidate, self.root_config, self.own_settings, self.places, elsewhere))
        state: Literal["visible", "masked", "gone"]
        state = "visible" if graph._equiv_ebuild_visible(candidate) else "masked" if ebuild is not None else "gone"
        more: dict[str, Any] = {}
        # An older binary is taken by --useoldpkg-atoms, with which the resolver does not compare it to its ebuild.
        if order >= 0 and ebuild is not None:
            more["flags"] = tuple(self._flags(candidate, ebuild, elsewhere))
            if parameters.get("changed_slot") and graph._changed_slot(candidate):
                more["slot_here"] = f"{ebuild.slot}/{ebuild.sub_slot}"
            if parameters.get("binpkg_changed_deps", "n") != "n" and graph._changed_deps(candidate):
                looked_at = Package._dep_keys if parameters.get("bdeps") in ("y", "auto") else Package._runtime_keys
                more["changed_deps"] = tuple(_dependencies_changed(candidate, ebuild, looked_at))
        asked, needed = demands.unmet(graph, package, candidate)
        listing = self._listings.of(candidate.cpv, offer)
        exclusions = tuple(objections.exclusions(candidate, offer, self.resolution, self.tree))
        again = self._again(listing, exclusions)
        question = Question(graph, self.settings, self.tree, self.places, candidate, package, ebuild, order, offer, again)
        return Facts(
            offer,
            order,
            listing=listing,
            again=again,
            trouble=self.resolution.troubles.get(offer.binrepo or ""),
            exclusions=exclusions,
            masks=masks,
            profile=elsewhere.profile if elsewhere is not None else None,
            ebuild="visible" if masks and state == "masked" else state,
            unsatisfied=tuple(self._unsatisfied(candidate)) if order == 0 else (),
            set_aside=self._set_aside(candidate),
            asked=asked,
            needed=needed,
            more=tuple(reason for objector in kinds.objectors() for reason in objector.ask(question)),
            **more,
        )

    def _again(self, listing: Listing, exclusions: Iterable[Exclusion]) -> Again:
        """emerge with the options of the question, less those that hold the candidate back."""
        held = {one.option for one in exclusions if not one.edit}
        if listing.off and not listing.accepted and not listing.without:
            held.add("--getbinpkg")
        return self.resolution.again.less(held, listing.without)

    def _flags(self, candidate: Package, ebuild: Any, elsewhere: Elsewhere | None) -> Iterator[Flag]:
        if self.graph._dynamic_config.myparams.get("binpkg_respect_use") not in ("y", "auto"):
            return
        graph = self.graph
        forced = set(chain(ebuild.use.force, ebuild.use.mask))
        now = graph._pkg_use_enabled(ebuild)
        changed = graph._reinstall_for_flags(candidate, forced, candidate.use.enabled, candidate.iuse.all, now, ebuild.iuse.all)
        if not changed:
            return
        then = elsewhere.use(ebuild) if elsewhere is not None else None
        for flag in sorted(changed):
            here = _state(flag, ebuild.iuse.all, now)
            there = _state(flag, candidate.iuse.all, candidate.use.enabled)
            masked, is_forced = flag in ebuild.use.mask, flag in ebuild.use.force
            group = self._origin.group(flag)
            other = ebuild if here == "absent" else candidate
            yield Flag(
                flag,
                here,
                there,
                "not in its IUSE" if here == "absent" else self._origin.of(ebuild, flag, is_forced, masked),
                self._origin_there(candidate, flag, there),
                group,
                tuple(self.settings.get(group.upper(), "").split()) if group else (),
                "mask" if masked else "force" if is_forced else "",
                implicit="absent" in (here, there) and bool(other.iuse.is_valid_flag(flag)),
                profile=then is not None and _state(flag, ebuild.iuse.all, then) == there,
            )

    def _origin_there(self, candidate: Package, flag: str, state: State) -> str:
        if state == "absent":
            return "not in its IUSE"
        offer = self.offer(candidate)
        header = self.tree.sources.get(offer.binrepo or "", {})
        if (flag in header.get("USE", "").split()) == (state == "on") and header:
            profile = header.get("PROFILE", "")
            variable = self._origin.group(flag).upper() or "USE"
            return f"{variable} of the binhost{f', profile {profile}' if profile else ''}"
        return "set there for this package" if header else "as it was built"

    def _unsatisfied(self, candidate: Package) -> Iterator[str]:
        """Dependencies that neither what emerge has chosen nor anything it could still choose satisfies."""
        for key in _RUNTIME:
            text = candidate._metadata.get(key, "")
            try:
                parts = use_reduce(text, uselist=candidate.use.enabled, eapi=candidate.eapi, opconvert=True, token_class=Atom)
            except InvalidDependString:
                continue
            yield from objections.missing(parts, self._has)

    def _has(self, atom: Any) -> bool:
        if atom.blocker:
            return True
        graph, root = self.graph, self.root_config.root
        tracker = graph._dynamic_config._package_tracker
        if any(tracker.match(root, atom)):
            return True
        if atom.slot and any(tracker.match(root, Atom(f"{atom.cp}:{atom.slot}"))):
            return False  # the slot is taken by another version or sub-slot
        return graph._select_package(root, atom)[0] is not None

    def _set_aside(self, candidate: Package) -> str:
        reasons = self.graph._dynamic_config._runtime_pkg_mask.get(candidate)
        return ", ".join(sorted(reasons)) if reasons else ""


def _state(flag: str, iuse: Any, use: Any) -> State:
    return "absent" if flag not in iuse else "on" if flag in use else "off"


def _dependencies_changed(candidate: Package, ebuild: Any, keys: Iterable[str]) -> Iterator[str]:
    for key in keys:
        try:
            built, now = (
                set(use_reduce(one._raw_metadata[key], uselist=candidate.use.enabled, eapi=one.eapi, flat=True))
                for one in (candidate, ebuild)
            )
        except (InvalidDependString, KeyError):
            continue
        gone = sorted(_bare(built) - _bare(now))
        new = sorted(_bare(now) - _bare(built))
        if gone or new:
            yield f"{key}: {' '.join([f'-{one}' for one in gone] + [f'+{one}' for one in new])}"


def _bare(atoms: set[str]) -> set[str]:
    """Without slots, which the resolver does not compare either; as text, because atoms have no order."""
    return {atom if atom == "||" else str(Atom(atom, allow_repo=True).without_slot) for atom in atoms}
