"""The time of the last sync of a made repository, and why a later sync failed, are recorded outside of the repository.

So the repository itself changes only if its packages change.

    EROOT/var/lib/portage-ext/repositories/NAME.json
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from portage_ext import files, limits, shown

PLACE: Final = "var/lib/portage-ext/repositories"
_NOBODY_KNOWS: Final = 0


@dataclass(frozen=True, slots=True)
class History:
    """When the source of the repository was fetched, and when a sync has failed since then, with the reason. Times are in
    seconds since 1970 (0: never or unknown)."""

    succeeded: int = _NOBODY_KNOWS
    failed: int = _NOBODY_KNOWS
    why: str = ""


def load(eroot: Path, name: str) -> History:
    """Load the history of the repository ``name``. A damaged file counts as empty, and the next sync replaces it."""
    try:
        with _path(eroot, name).open("rb") as file:
            values = json.loads(file.read(limits.RUN_LINE_SIZE))
        return History(int(values["succeeded"]), int(values["failed"]), str(values["why"]))
    except (OSError, ValueError, KeyError, TypeError):
        return History()


def succeeded(eroot: Path, name: str, when: int) -> None:
    """Record that the repository has the state of its source at ``when`` (seconds since 1970). Raises OSError."""
    _write(eroot, name, History(when))


def failed(eroot: Path, name: str, why: str) -> None:
    """Record that a sync failed now, and the reason. Raises OSError."""
    _write(eroot, name, History(load(eroot, name).succeeded, int(time.time()), shown.line(why)[: limits.CONFIG_LINE]))


def _write(eroot: Path, name: str, history: History) -> None:
    path = _path(eroot, name)
    files.make_directory(path.parent)
    files.replace_file(path, json.dumps(asdict(history)).encode())


def _path(eroot: Path, name: str) -> Path:
    return eroot / PLACE / f"{name}.json"
