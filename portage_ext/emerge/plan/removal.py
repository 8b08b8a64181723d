"""No unmerge leaves an installed package that cannot run: emerge's selection is checked before anything is removed.

``emerge -C``, ``--depclean``, ``--prune`` and similar actions all call one function of Portage, in which the selection is
known and nothing has been removed. An unmerge that belongs to a merge list is checked with that list.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any, Final

from _emerge import unmerge as portage_unmerge

from portage_ext.emerge import messages, patching
from portage_ext.emerge.patching import Function, Patch
from portage_ext.emerge.plan import preserved, strictness
from portage_ext.emerge.plan.installed_world import InstalledWorld
from portage_ext.emerge.plan.strictness import Modes
from portage_ext.host import contracts
from portage_ext.host.probe import Expectation
from portage_ext.host.probe import Function as Expected
from portage_ext.model.contract import Library, Need
from portage_ext.toolchain.refusal import unmerge_breaks
from portage_ext.toolchain.removal import Broken, broken

EXPECTED: Final[tuple[Expectation, ...]] = (
    Expected(
        "_emerge.unmerge:_unmerge_display",
        ("root_config", "myopts", "unmerge_action", "unmerge_files"),
        callers=("_emerge.unmerge:unmerge",),
    ),
    *strictness.EXPECTED,
    *contracts.OF_INSTALLED,
    *preserved.EXPECTED,
)

current: Modes | None = None
"""How strictly this run of emerge is checked, if it removes packages."""


def begin(emerge_config: Any) -> None:
    """Start to check what this run removes."""
    global current
    current = None
    patching.apply(_PATCHES)
    modes = Modes(emerge_config.target_config.settings)
    current = None if modes.off else modes


def end() -> None:
    """Stop."""
    global current
    current = None


def _judged(original: Function) -> Function:
    def _unmerge_display(root_config: Any, *args: Any, **kwargs: Any) -> Any:
        status, packages = original(root_config, *args, **kwargs)
        if current is not None and status == os.EX_OK and _refuses(current, root_config, packages):
            return 1, {}
        return status, packages

    return _unmerge_display


_PATCHES: Final = (Patch(portage_unmerge, "_unmerge_display", _judged),)


def _refuses(modes: Modes, root_config: Any, packages: Any) -> bool:
    """Print what the unmerge of ``packages`` (Portage's list of selections) would break. Returns whether it is refused."""
    try:
        selected = {str(cpv): cpv for group in packages for cpv in group["selected"]}
        refused = False
        for one in _broken(root_config, selected):
            mode = modes.of(selected[one.removed], root_config.settings)
            if mode != "off":
                messages.line(unmerge_breaks(one.removed, one.victim, one.need, one.missing, found=one.found))
            refused = refused or mode == "enforce"
    except Exception as error:  # noqa: BLE001 - Portage's own behaviour instead
        messages.failed("the check of what is removed", error)
        return False
    return refused


def _broken(root_config: Any, selected: dict[str, Any]) -> list[Broken]:
    world = InstalledWorld(root_config.settings, root_config.trees["vartree"].dbapi)
    goes = [(cpv, one.library) for cpv in selected for one in world.objects(cpv)]
    if not goes:
        return []
    features = root_config.settings.features

    def preserves(library: Library) -> bool:
        return "preserve-libs" in features and world.keeps(selected, library, gone=True)

    def elsewhere(victim: str, need: Need, without: Collection[str]) -> bool:
        return world.privately(need, world.dependencies(victim), without)

    return list(broken(goes, selected, world, world.after(selected), preserves=preserves, elsewhere=elsewhere))
