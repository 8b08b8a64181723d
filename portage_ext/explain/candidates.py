"""Every binary that PKGDIR and the binrepos have of some packages, whitelisted or not, included or excluded, reachable or not.

A ``binarytree`` of Portage's own that reads the same indexes, of which it keeps the entries of the packages that are asked for.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from portage.dbapi.bintree import binarytree
from portage.exception import InvalidData, PortageException
from portage.versions import _pkg_str

from portage_ext.emerge import remote_index
from portage_ext.emerge.remote_index import FilteredPackageIndex, alternatives
from portage_ext.host import contracts
from portage_ext.host.contracts import keep_in_index
from portage_ext.host.probe import Expectation, Function, Names
from portage_ext.index.stamp import parse_timestamp

_TREE: Final = "portage.dbapi.bintree:binarytree"
_READING: Final = f"{_TREE}._populate_remote_repo"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Function(f"{_TREE}.__init__", ("self",), ("pkgdir", "settings")),
    Function(f"{_TREE}.populate", ("self",), ("getbinpkgs", "getbinpkg_refresh", "pretend")),
    Function(f"{_TREE}._new_pkgindex", ("self",), callers=(_READING,)),
    Function(f"{_TREE}._merge_pkgindex_header", ("src", "dest"), callers=(_READING,)),
    Function(
        _READING,
        ("self", "repo", "getbinpkg_refresh", "pretend", "verbose", "gpkg_only"),
        callers=(f"{_TREE}._populate_remote",),
    ),
    Names(_READING, ("_remote_has_index", "_remotepkgs", "name_fallback", "sync_uri")),
    Names(f"{_TREE}.isremote", ("_instance_key",)),
    contracts.KEPT_IN_INDEX,
    *remote_index.EXPECTED,
)


class _Named:
    """A filter for ``FilteredPackageIndex`` that lets all entries of some packages through."""

    everything = False

    def __init__(self, names: Iterable[str], binrepo: str) -> None:
        self.binrepo = binrepo
        self.cpv_line = re.compile(rb"\nCPV: ?(?:" + alternatives(names) + rb")-[^\n]*")

    def wants(self, entry: dict[str, str]) -> bool:
        try:
            _pkg_str(entry["CPV"])
        except InvalidData:
            return False
        return True


class CandidateTree(binarytree):  # type: ignore[misc]
    """``names`` are package names (category/name). Nothing is written but Portage's cache of an index."""

    def __init__(self, settings: Any, names: frozenset[str]) -> None:
        super().__init__(pkgdir=settings["PKGDIR"], settings=settings)
        keep_in_index(self)
        self._names = names
        self._remote_has_index = False
        self._reading: _Named | None = None
        self._fresh: Callable[[str], bool] = lambda _: False
        self.binrepos: dict[tuple[Any, ...], str] = {}
        """Instance of a remote package to the binrepo that offers it."""
        self.sources: dict[str, dict[str, str]] = {}
        """The header of each index, as its binhost wrote it."""
        self.limits: dict[str, tuple[Any, Any]] = {}
        """What getbinpkg-exclude and getbinpkg-include say for each binrepo, as Portage put them together."""
        self.uris: dict[str, str] = {}
        """Every binrepo and its sync-uri."""
        self.signed_only: set[str] = set()
        """The binrepos of which Portage takes no package in a format that cannot be signed."""

    def read(self, fresh: Callable[[str], bool], **keywords: Any) -> None:
        """Read everything. Of a binrepo that is ``fresh`` the cached index is good enough; ``keywords`` are those of populate
        for getbinpkg-exclude and getbinpkg-include.
        """
        self._fresh = fresh
        self.populate(getbinpkgs=True, getbinpkg_refresh=True, pretend=True, **keywords)

    def indexed(self, binrepo: str) -> int:
        """TIMESTAMP of the index of ``binrepo``, 0 when unknown."""
        return parse_timestamp(self.sources.get(binrepo, {}).get("TIMESTAMP", ""))

    def _new_pkgindex(self) -> Any:
        index = super()._new_pkgindex()
        return index if self._reading is None else FilteredPackageIndex(index, self._reading)  # type: ignore[arg-type]

    def _populate_remote_repo(self, repo: Any, refresh: bool, pretend: bool, *more: Any) -> None:
        name = repo.name or repo.name_fallback
        before = set(self._remotepkgs)
        self._reading = _Named(self._names, name)
        had, self._remote_has_index = self._remote_has_index, False
        refresh = refresh and not self._fresh(name)
        # Without the limits: what they hold back is a candidate too, and so is what cannot be signed.
        (verbose, gpkg_only), limits = more[:2], more[2:]
        flags = (verbose, False)
        if gpkg_only:
            self.signed_only.add(name)
        unlimited = [type(one)(()) for one in limits]
        self.uris[name] = repo.sync_uri
        try:
            try:
                super()._populate_remote_repo(repo, refresh, False, *flags, *unlimited)
            except PortageException:
                refresh = True  # a refused index
            if refresh and not self._remote_has_index:
                # What it had before is told too.
                with contextlib.suppress(PortageException):
                    super()._populate_remote_repo(repo, False, True, *flags, *unlimited)
        finally:
            self._reading = None
            self._remote_has_index = had or self._remote_has_index
        if len(limits) == 2:
            self.limits[name] = (limits[0], limits[1])
        self.binrepos.update(dict.fromkeys(set(self._remotepkgs) - before, name))

    def _merge_pkgindex_header(self, source: dict[str, str], target: dict[str, str]) -> None:
        if self._reading is not None:
            self.sources[self._reading.binrepo] = dict(source)
        super()._merge_pkgindex_header(source, target)
