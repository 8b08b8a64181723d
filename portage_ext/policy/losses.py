"""Losing most of an index or a release is refused, because a mount, keyring or key is probably missing; a clean-up is allowed.

After such a failure most packages disappear at once; a person removes few at a time. So the share of lost packages without
another build of the same name counts: nine of nine are as bad as 900 of 900.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from portage_ext.errors import InvalidCpvError
from portage_ext.model import PACKAGE_SUFFIXES, Cpv


def loses_most(before: int, after: int, lost: int, superseded: int = 0) -> bool:
    """Whether most would go of ``before`` packages, of which ``lost`` are not among the ``after`` that would be offered.

    ``superseded`` of the lost packages were removed from disk while another build of the name is still offered, as after a
    clean-up. If no package is kept, as in an emptied directory, that is accepted only if as many new packages exist.
    """
    if lost >= before:
        return before > 0 and not (superseded == before <= after)
    return 2 * (lost - superseded) > before


def lost_packages(before: Iterable[str], after: Collection[str], left_out: Collection[str]) -> tuple[int, int]:
    """How many of the paths ``before`` are not among ``after``, and how many of these are superseded; see :func:`loses_most`.

    Packages in ``left_out`` still exist on disk, so nothing supersedes them.
    """
    now = after if isinstance(after, (set, frozenset)) else set(after)
    lost = [path for path in before if path not in now]
    names = {_name(path) for path in now} if lost else set()
    return len(lost), sum(path not in left_out and _name(path) in names for path in lost)


def _name(path: str) -> str:
    """Category and package name in a path of PKGDIR: ``category/pn/pf-1.gpkg.tar`` or ``category/pf.tbz2``."""
    parts = path.split("/")
    if len(parts) > 2:
        return "/".join(parts[:2])
    suffix = next((one for one in PACKAGE_SUFFIXES if path.endswith(one)), "")
    try:
        cpv = Cpv.parse(path.removesuffix(suffix))
    except InvalidCpvError:
        return path
    return cpv.cp


def check_release(
    channel: str,
    live: Collection[str] | None,
    offered: Collection[str],
    left_out: Mapping[str, str],
    gone: Collection[str] | None = None,
) -> None:
    """Raises EmptiedReleaseError if a release of a PKGDIR would offer few packages or none.

    ``live`` are the paths of the release that the channel serves (None: it serves none), ``offered`` those of the new one,
    ``left_out`` the packages of PKGDIR that are not offered, with the reasons. Left-out packages count only while nothing is
    served, because a served release shows what was accepted before. ``gone`` are those of ``live`` that are not ``offered``, if
    the caller knows.
    """
    if live:
        lost = sum(path not in offered for path in live) if gone is None else len(gone)
        bad = loses_most(len(live), len(offered), lost)
        if bad:
            lost, superseded = lost_packages(live, offered, left_out)
            bad = loses_most(len(live), len(offered), lost, superseded)
    else:
        bad = loses_most(len(offered) + len(left_out), len(offered), len(left_out))
    if bad:
        from portage_ext.errors.releases import EmptiedReleaseError  # reindex asks here too, and publishes nothing

        raise EmptiedReleaseError(channel, len(live or ()), len(offered), left_out)
