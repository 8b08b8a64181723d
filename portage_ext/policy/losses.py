"""Most of an index or a release is never lost by accident: a missing mount, keyring or key is refused, a clean-up is not.

Packages are lost together when something else broke, and few by few when somebody wants it. So it counts how many of those
that were offered go without another build of the same name in their place, as a share: nine of nine are as bad as 900 of 900.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from portage_ext.errors import InvalidCpvError
from portage_ext.errors.releases import EmptiedReleaseError
from portage_ext.model import PACKAGE_SUFFIXES, Cpv


def loses_most(before: int, after: int, lost: int, superseded: int = 0) -> bool:
    """Whether most would go of ``before`` packages, of which ``lost`` are not among the ``after`` that would be offered.

    ``superseded`` of the lost ones are gone from the disk while their name is still offered, as a clean-up leaves it. Where
    nothing is kept, as in a directory that was emptied, that excuses only when as many have come in their place.
    """
    if lost >= before:
        return before > 0 and not (superseded == before <= after)
    return 2 * (lost - superseded) > before


def lost_packages(before: Iterable[str], after: Collection[str], left_out: Collection[str]) -> tuple[int, int]:
    """How many of the paths ``before`` are not among ``after``, and how many of these are superseded; see :func:`loses_most`.

    What is ``left_out`` is on the disk: nothing supersedes it.
    """
    now = after if isinstance(after, (set, frozenset)) else set(after)
    lost = [path for path in before if path not in now]
    names = {_name(path) for path in now} if lost else set()
    return len(lost), sum(path not in left_out and _name(path) in names for path in lost)


def _name(path: str) -> str:
    """Category and package name, as they stand in a path of PKGDIR: ``category/pn/pf-1.gpkg.tar`` or ``category/pf.tbz2``."""
    parts = path.split("/")
    if len(parts) > 2:
        return "/".join(parts[:2])
    suffix = next((one for one in PACKAGE_SUFFIXES if path.endswith(one)), "")
    try:
        cpv = Cpv.parse(path.removesuffix(suffix))
    except InvalidCpvError:
        return path
    return cpv.cp


def check_release(channel: str, live: Collection[str] | None, offered: Collection[str], left_out: Mapping[str, str]) -> None:
    """Raises EmptiedReleaseError when a release of a PKGDIR would offer nothing or little of what there is.

    ``live`` are the paths of the release that the channel serves (None: it serves none), ``offered`` those of the new one,
    ``left_out`` what is in PKGDIR and not offered, with the reasons. What is left out counts while nothing is served: the
    release that is served shows what somebody has accepted.
    """
    if live:
        lost, superseded = lost_packages(live, offered, left_out)
        bad = loses_most(len(live), len(offered), lost, superseded)
    else:
        bad = loses_most(len(offered) + len(left_out), len(offered), len(left_out))
    if bad:
        raise EmptiedReleaseError(channel, len(live or ()), len(offered), left_out)
