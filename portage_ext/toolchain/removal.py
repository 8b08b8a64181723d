"""Which installed packages would no longer start once others are gone, whatever removes them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from portage_ext.model.contract import Library, Need
from portage_ext.toolchain.plan import Installed, Remaining, holds


@dataclass(frozen=True, slots=True)
class Broken:
    """``victim`` stays and needs what goes with ``removed``; ``found`` and ``missing`` as in ``policy.plan.Problem``."""

    removed: str
    victim: str
    need: Need
    missing: frozenset[str]
    found: bool


def broken(
    goes: Iterable[tuple[str, Library]], removed: Collection[str], world: Installed, left: Remaining, *, preserves: bool
) -> Iterator[Broken]:
    """``goes`` names what is removed with which package. What does not run today is nobody's fault, and of no interest.

    ``preserves``: a library that is still used stays (FEATURES=preserve-libs), unless another of its name is found instead:
    Portage compares names, and versions are not looked at.
    """
    for name, library in dict.fromkeys(goes):
        for victim, need, search in world.users(library):
            if victim in removed or not world.judges(library[0]) or not holds(need, world.candidates(library, search)):
                continue
            rest = left.candidates(library, search)
            if holds(need, rest) or (preserves and not rest):
                continue
            missing = min((need.versions - defined for defined in rest), key=len, default=need.versions)
            yield Broken(name, victim, need, missing, bool(rest))
