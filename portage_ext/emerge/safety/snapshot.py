"""A snapshot is made before the first merge of an emerge that changes the system, if [snapshot] in portage-ext.toml asks so.

Once for each emerge, when its list is settled and nothing of it has begun. If the snapshot fails, ``warn`` says so and emerge
goes on; ``refuse`` ends it before anything has changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from _emerge.Scheduler import Scheduler

from portage_ext.config import snapshotting
from portage_ext.config.snapshotting import OFF, REFUSE, Snapshotting
from portage_ext.emerge import messages, patching
from portage_ext.emerge.patching import Function, Patch
from portage_ext.errors import PortageExtError
from portage_ext.host.probe import Expectation, Names
from portage_ext.host.probe import Function as Expected
from portage_ext.snapshots import keeping

_SCHEDULER: Final = "_emerge.Scheduler:Scheduler"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Expected(f"{_SCHEDULER}.merge", ("self",)),
    Names("_emerge.actions:action_build", ("merge",)),
    Names(f"{_SCHEDULER}._set_graph_config", ("_mergelist",)),
    Names(f"{_SCHEDULER}.__init__", ("settings", "target_root")),
)
_NAMED: Final = 20
"""How many packages of the list the description names."""

current: Snapshotting | None = None
"""What this run of emerge does, if it makes snapshots."""


def begin(emerge_config: Any) -> None:
    """Make a snapshot before this run merges anything."""
    global current
    current = None
    found = snapshotting.configured(Path(emerge_config.target_config.settings["PORTAGE_CONFIGROOT"]))
    if found.policy != OFF:
        patching.apply(_PATCHES)
        current = found


def end() -> None:
    """Stop."""
    global current
    current = None


def _preceded(original: Function) -> Function:
    def merge(self: Any) -> Any:
        global current
        settings, current = current, None
        if settings is not None and not _taken(settings, self):
            return 1
        return original(self)

    return merge


_PATCHES: Final = (Patch(Scheduler, "merge", _preceded),)


def _taken(settings: Snapshotting, scheduler: Any) -> bool:
    """Make the snapshot; whether emerge may go on."""
    try:
        names = [str(one.cpv) for one in scheduler._mergelist if getattr(one, "operation", "") == "merge"]
        if not names:
            return True
        found = keeping.take(Path(scheduler.settings["EROOT"]), settings, described(names), warn=messages.line)
    except Exception as error:  # noqa: BLE001 - whatever broke, the policy says what emerge does without a snapshot
        why = str(error) if isinstance(error, PortageExtError | OSError) else f"{type(error).__name__}: {error}"
        if settings.policy == REFUSE:
            messages.line(
                f"no snapshot could be made, so emerge merges nothing (policy of [snapshot] in portage-ext.toml): {why}"
            )
            return False
        messages.line(f"no snapshot could be made; emerge goes on without one: {why}")
        return True
    lacking = f"; it does not hold {', '.join(found.missing)}" if found.missing else ""
    messages.line(f"snapshot {found.number} made by {found.maker}: {found.made}{lacking}")
    return True


def described(names: list[str]) -> str:
    """A merge list as the description of a snapshot."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"before emerge: {' '.join(names[:_NAMED])}{more}"
