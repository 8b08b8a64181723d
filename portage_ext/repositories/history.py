"""When a made repository was last synced, and why a later sync failed. The repository itself says nothing of time, so that it
changes only when its packages do.

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
    """Seconds since 1970 (0: never, or nobody knows) of what the repository was made from, and of the last sync that failed
    since then, with the reason."""

    succeeded: int = _NOBODY_KNOWS
    failed: int = _NOBODY_KNOWS
    why: str = ""


def load(eroot: Path, name: str) -> History:
    """What is known of the repository ``name``. A damaged file says nothing, and the next sync replaces it."""
    try:
        with _path(eroot, name).open("rb") as file:
            values = json.loads(file.read(limits.RUN_LINE_SIZE))
        return History(int(values["succeeded"]), int(values["failed"]), str(values["why"]))
    except (OSError, ValueError, KeyError, TypeError):
        return History()


def succeeded(eroot: Path, name: str, when: int) -> None:
    """The repository is now what its source was at ``when``. Raises OSError."""
    _write(eroot, name, History(when))


def failed(eroot: Path, name: str, why: str) -> None:
    """A sync failed now. Raises OSError."""
    _write(eroot, name, History(load(eroot, name).succeeded, int(time.time()), shown.line(why)[: limits.CONFIG_LINE]))


def _write(eroot: Path, name: str, history: History) -> None:
    path = _path(eroot, name)
    files.make_directory(path.parent)
    files.replace_file(path, json.dumps(asdict(history)).encode())


def _path(eroot: Path, name: str) -> Path:
    return eroot / PLACE / f"{name}.json"
