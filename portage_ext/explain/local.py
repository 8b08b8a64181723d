"""What PKGDIR holds that emerge does not take although its index says so, or does not see because its index lacks it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from portage.exception import PortageException
from portage.gpkg import gpkg

from portage_ext.errors import PackageError
from portage_ext.explain import reasons
from portage_ext.explain.candidates import CandidateTree
from portage_ext.explain.objectors import xpak
from portage_ext.explain.verdict import Offer, Reason, Verdict
from portage_ext.gpkg.identity import Identity, read_identity
from portage_ext.host.probe import Expectation, Function, Names
from portage_ext.model import GPKG_SUFFIX, PACKAGE_SUFFIXES

_TREE: Final = "portage.dbapi.bintree:binarytree"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Function(f"{_TREE}.isremote", ("self", "pkgname")),
    Function(f"{_TREE}.getname", ("self", "cpv")),
    Names(f"{_TREE}.__init__", ("_pkg_paths", "pkgdir")),
    Function("portage.gpkg:gpkg.__init__", ("self",), ("settings", "basename", "gpkg_file")),
    Function("portage.gpkg:gpkg.get_metadata", ("self",)),
)


def signature(tree: CandidateTree, candidate: Any) -> Reason | None:
    """What Portage says of the signature of a local gpkg, when it asks for one; None when it is content."""
    path = "" if tree.isremote(candidate.cpv) else tree.getname(candidate.cpv)
    if not path or not path.endswith(GPKG_SUFFIX) or "binpkg-request-signature" not in tree.settings.features:
        return None
    try:
        gpkg(settings=tree.settings, basename=candidate.cpv, gpkg_file=path).get_metadata()
    except PortageException as error:
        return reasons.signature(path, f"{type(error).__name__}: {error}")
    return None


def unindexed(tree: CandidateTree, package: Any) -> Iterator[Verdict]:
    """The files of PKGDIR that are builds of ``package``, and that its index does not have."""
    known = {str(Path(tree.pkgdir, name)) for name in tree._pkg_paths.values()}
    category, _, name = package.cp.partition("/")
    directory = Path(tree.pkgdir, category)
    for path in sorted((*directory.glob(f"{name}/{name}-*"), *directory.glob(f"{name}-*"))):
        if path.name.endswith(PACKAGE_SUFFIXES) and str(path) not in known:
            try:
                identity = read_identity(path)
            except PackageError:
                continue
            if str(identity.cpv) == str(package.cpv):
                reason = xpak.in_pkgdir(tree.settings, str(identity.cpv), str(path)) or reasons.unindexed(str(path))
                yield Verdict(_offer(identity, path), (reason,))


def _offer(identity: Identity, path: Path) -> Offer:
    slot, _, sub_slot = identity.slot.partition("/")
    cpv = identity.cpv
    return Offer(
        str(cpv),
        f"{cpv.category}/{cpv.pn}",
        cpv.pvr,
        slot,
        sub_slot or slot,
        None,
        str(identity.build_id or ""),
        identity.build_time or 0,
        path.stat().st_size,
        0,
    )
