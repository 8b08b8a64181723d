"""Whether the ebuild repositories of this host still have a version, and which version is the newest, according to Portage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from portage_ext.host.probe import Expectation, Function
from portage_ext.model import IndexEntry

_DATABASE: Final = "portage.dbapi.porttree:portdbapi"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Function(f"{_DATABASE}.getRepositories", ("self",)),
    Function(f"{_DATABASE}.cpv_exists", ("self", "mykey"), ("myrepo",)),
    Function("portage.versions:vercmp", ("ver1", "ver2")),
)


def exists(entry: IndexEntry) -> bool:
    """Whether a repository has an ebuild of the entry's version, masked or not; by its own repository where that is known."""
    import portage

    database = portage.portdb
    known = entry.repository if entry.repository in database.getRepositories() else None
    return bool(database.cpv_exists(str(entry.cpv), myrepo=known))


def newest(entries: Sequence[IndexEntry]) -> IndexEntry:
    """The entry with the highest version (vercmp); for equal versions, the latest build."""
    from functools import cmp_to_key

    from portage.versions import vercmp

    def compare(one: IndexEntry, other: IndexEntry) -> int:
        order = vercmp(one.cpv.pvr, other.cpv.pvr) or 0
        return int(order) or int(one.get("BUILD_TIME", "0") or 0) - int(other.get("BUILD_TIME", "0") or 0)

    return max(entries, key=cmp_to_key(compare))
