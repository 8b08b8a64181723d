"""Which installed packages would no longer start after others are removed, whatever removes them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from portage_ext.model.contract import Library, Need
from portage_ext.toolchain.plan import Installed
from portage_ext.toolchain.simulated import Seen, holds


@dataclass(frozen=True, slots=True)
class Broken:
    """``victim`` stays and needs a library of ``removed``; ``found`` and ``missing`` as in ``toolchain.plan.Problem``."""

    removed: str
    victim: str
    need: Need
    missing: frozenset[str]
    found: bool


def broken(
    goes: Iterable[tuple[str, Library]],
    removed: Collection[str],
    world: Installed,
    left: Seen,
    *,
    preserves: Callable[[Library], bool],
    elsewhere: Callable[[str, Need, Collection[str]], bool] = lambda *_: False,
) -> Iterator[Broken]:
    """``goes`` maps what is removed to its package. Packages that do not run today are ignored.

    ``preserves`` tells whether Portage keeps a library that is still used (FEATURES=preserve-libs). It does not if another
    library of the same name is found instead, because Portage compares names and not versions. ``elsewhere`` tells whether a
    dependency of a package, other than those in its third argument, has the needed library where only a script leads.
    """
    for name, library in dict.fromkeys(goes):
        for victim, need, search, _ in world.users(library):
            if victim in removed or not world.judges(library[0]):
                continue
            led = not holds(need, world.candidates(library, search)) and elsewhere(victim, need, ())
            if not led and not holds(need, world.candidates(library, search)):
                continue
            rest = left.candidates(library, search)
            if holds(need, rest) or (elsewhere(victim, need, removed) if led else not rest and preserves(library)):
                continue
            missing = min((need.versions - defined for defined in rest), key=len, default=need.versions)
            yield Broken(name, victim, need, missing, bool(rest))
