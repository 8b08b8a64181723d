"""What a binhost's index offers for the packages of this host: which have other USE flags, and which are missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import portage
from portage._sets import load_default_config
from portage.dep import match_from_list
from portage.exception import PackageSetNotFound
from portage.versions import _pkg_str, best, cpv_getkey

from portage_ext.host.probe import Expectation, Function
from portage_ext.model import IndexEntry
from portage_ext.policy.compare import PackageUse

EXPECTED: Final[tuple[Expectation, ...]] = (
    Function("portage._sets:load_default_config", ("settings", "trees")),
    Function("portage._sets:SetConfig.getSetAtoms", ("self", "setname")),
    Function("portage.dbapi.vartree:vardbapi.cpv_all", ("self",)),
    Function("portage.dep:match_from_list", ("mydep", "candidate_list")),
    Function("portage.package.ebuild.config:config.__init__", ("self", "clone")),
    Function("portage.package.ebuild.config:config.setcpv", ("self",), ("mydb",)),
    Function("portage.versions:_pkg_str.__init__", ("self", "cpv"), ("slot", "repo")),
    Function("portage.versions:best", ("mymatches",)),
    Function("portage.versions:cpv_getkey", ("mycpv",)),
)


def differing(entries: Iterable[IndexEntry]) -> list[PackageUse]:
    """One for each installed package whose newest offered build has other USE flags than this host's configuration."""
    installed = {cpv_getkey(cpv) for cpv in portage.db[portage.settings["EROOT"]]["vartree"].dbapi.cpv_all()}
    offered: dict[str, dict[str, IndexEntry]] = {}
    for entry in entries:
        cpv = entry.get("CPV")
        name = cpv_getkey(cpv)
        if name in installed:
            # Of several builds of a version the last one counts.
            key = f"{cpv}:{entry.slot.partition('/')[0]}"
            builds = offered.setdefault(f"{name}:{entry.slot.partition('/')[0]}", {})
            if key not in builds or (entry.build_id or 0) >= (builds[key].build_id or 0):
                builds[key] = entry
    settings = portage.config(clone=portage.settings)
    found = []
    for builds in offered.values():
        entry = builds[_newest(builds)]
        difference = _difference(settings, entry)
        if difference is not None:
            found.append(difference)
    return sorted(found, key=lambda one: one.cpv)


def unbuilt(entries: Iterable[IndexEntry]) -> list[str]:
    """The atoms of this host's world, including its sets, that no entry matches."""
    trees = portage.db[portage.settings["EROOT"]]
    try:
        wanted = load_default_config(portage.settings, trees).getSetAtoms("selected")
    except PackageSetNotFound:
        return []  # emerge says which
    names = {atom.cp for atom in wanted}
    offered: dict[str, list[Any]] = {}
    for entry in entries:
        name = cpv_getkey(entry.get("CPV"))
        if name in names:
            offered.setdefault(name, []).append(_pkg_str(entry.get("CPV"), slot=entry.slot, repo=entry.repository))
    return sorted(str(atom) for atom in wanted if not match_from_list(atom, offered.get(atom.cp, [])))


def _newest(builds: dict[str, IndexEntry]) -> str:
    keys = {entry.get("CPV"): key for key, entry in builds.items()}
    return keys[best(list(keys))]


def _difference(settings: Any, entry: IndexEntry) -> PackageUse | None:
    names = {flag.lstrip("+-") for flag in entry.get("IUSE").split()}
    values = {key: entry.get(key) for key in ("IUSE", "SLOT", "KEYWORDS", "USE")}
    settings.setcpv(entry.get("CPV"), mydb={**values, "EAPI": entry.get("EAPI") or "0", "repository": entry.get("REPO")})
    here = set(settings["PORTAGE_USE"].split()) & names
    there = set(entry.get("USE").split()) & names
    if here == there:
        return None
    atom = f"{cpv_getkey(entry.get('CPV'))}:{entry.slot.partition('/')[0]}"
    return PackageUse(atom, entry.get("CPV"), tuple(sorted(here - there)), tuple(sorted(there - here)))
