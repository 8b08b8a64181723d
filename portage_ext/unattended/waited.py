"""Since when packages of this host wait for a binary: one small file, written only by runs of emerge that merge.

A package is in the file from the first run that kept it at its version until the run that finds it up to date, so that the time
does not begin again when the ebuild repository goes on to the next version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext import files
from portage_ext.limits import builds as limits

STATE: Final = "var/lib/portage-ext/waiting.json"


@dataclass(frozen=True, slots=True)
class Waited:
    """The version that a package waits for (a CPV), and the time at which it began to wait, in seconds since 1970."""

    cpv: str
    since: int


def load(eroot: Path) -> dict[str, Waited]:
    """What waits, by ``category/name:slot``; nothing if the file is missing or damaged, because it only holds times."""
    try:
        with (eroot / STATE).open("rb") as file:
            values = json.loads(file.read(limits.WAITING_SIZE))
        return {str(name): Waited(str(one["cpv"]), int(one["since"])) for name, one in values.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def save(eroot: Path, waited: Mapping[str, Waited]) -> None:
    """Record what waits. Raises OSError."""
    path = eroot / STATE
    if not waited and not path.exists():
        return
    files.make_directory(path.parent)
    values = {name: {"cpv": one.cpv, "since": one.since} for name, one in waited.items()}
    files.replace_file(path, json.dumps(values, indent=0, sort_keys=True).encode() + b"\n")
