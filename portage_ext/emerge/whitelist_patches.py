"""What the whitelist replaces in Portage. Outside a session (``emerge/session``), each replacement only checks a variable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from _emerge.depgraph import depgraph
from portage.dbapi.bintree import binarytree

from portage_ext.emerge import patching, remote_index, session, whitelist
from portage_ext.emerge.patching import Function, Patch
from portage_ext.emerge.remote_index import FilteredPackageIndex
from portage_ext.host.probe import Expectation, Names
from portage_ext.host.probe import Function as Expected

_TREE: Final = "portage.dbapi.bintree:binarytree"
_GRAPH: Final = "_emerge.depgraph:depgraph"
_READING: Final = (f"{_TREE}._populate_remote_repo",)
EXPECTED: Final[tuple[Expectation, ...]] = (
    Expected(f"{_TREE}.populate", ("self", "getbinpkgs"), callers=("_emerge.actions:run_action",)),
    Expected(f"{_TREE}._populate_remote_repo", ("self", "repo"), callers=(f"{_TREE}._populate_remote",)),
    Expected(f"{_TREE}._new_pkgindex", ("self",), callers=_READING),
    Names(f"{_TREE}.__init__", ("_binrepos_conf", "dbapi", "settings")),
    Names(f"{_TREE}._populate_remote_repo", ("packages", "header", "read", "name_fallback")),
    Expected(
        f"{_GRAPH}._iter_match_pkgs",
        ("self", "root_config", "pkg_type", "atom"),
        callers=tuple(
            f"{_GRAPH}.{name}"
            for name in ("_iter_match_pkgs_any", "_wrapped_select_pkg_highest_available_imp", "_select_files")
        ),
    ),
    Expected(f"{_GRAPH}._show_unsatisfied_dep", ("self", "root", "atom"), ("check_backtrack", "check_autounmask_breakage")),
    Names("portage.package.ebuild.config:config.__init__", ("backupenv", "features")),
    Expected("portage.dep:Atom.__init__", ("self", "s"), ("allow_wildcard", "allow_repo", "allow_build_id")),
    *whitelist.EXPECTED,
    *remote_index.EXPECTED,
)


def begin(emerge_config: Any) -> None:
    """Start to choose binaries in this run."""
    patching.apply(_PATCHES)
    session.begin(emerge_config)


def end() -> None:
    """Stop."""
    session.end()


def _populate(original: Function) -> Function:
    def populate(self: Any, getbinpkgs: bool = False, *args: Any, **kwargs: Any) -> Any:
        if getbinpkgs and session.current is not None:
            getbinpkgs = session.current.wants_remote(self.settings)
        return original(self, getbinpkgs, *args, **kwargs)

    return populate


def _populate_remote_repo(original: Function) -> Function:
    def _populate_remote_repo(self: Any, repo: Any, *args: Any, **kwargs: Any) -> Any:
        if session.current is None:
            return original(self, repo, *args, **kwargs)
        with session.current.reading(self, repo) as wanted:
            return original(self, repo, *args, **kwargs) if wanted else None

    return _populate_remote_repo


def _new_pkgindex(original: Function) -> Function:
    def _new_pkgindex(self: Any) -> Any:
        index = original(self)
        if session.current is not None and session.current.filter is not None:
            return FilteredPackageIndex(index, session.current.filter)
        return index

    return _new_pkgindex


def _iter_match_pkgs(original: Function) -> Function:
    def _iter_match_pkgs(self: Any, root_config: Any, pkg_type: str, atom: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        found: Iterator[Any] = original(self, root_config, pkg_type, atom, *args, **kwargs)
        if pkg_type == "binary" and session.current is not None and session.current.hides_local:
            return filter(session.current.may_use, found)
        return found

    return _iter_match_pkgs


def _show_unsatisfied_dep(original: Function) -> Function:
    def _show_unsatisfied_dep(self: Any, root: Any, atom: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, root, atom, *args, **kwargs)
        finally:
            silent = kwargs.get("check_backtrack") or kwargs.get("check_autounmask_breakage")
            if session.current is not None and not silent:
                session.current.explain(atom)

    return _show_unsatisfied_dep


_PATCHES: Final = (
    Patch(binarytree, "populate", _populate),
    Patch(binarytree, "_populate_remote_repo", _populate_remote_repo),
    Patch(binarytree, "_new_pkgindex", _new_pkgindex),
    Patch(depgraph, "_iter_match_pkgs", _iter_match_pkgs),
    Patch(depgraph, "_show_unsatisfied_dep", _show_unsatisfied_dep),
)
