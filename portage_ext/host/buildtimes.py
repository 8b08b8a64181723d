"""How long packages took on this host, from emerge.log: the median of the last merges of each package name.

A build counts from its start to the end of its merge; a binary likewise, so with its download where that did not come before.
"""

from __future__ import annotations

import os
import re
import statistics
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from portage_ext.limits import EMERGE_LOG_SIZE

_LINE: Final = re.compile(
    rb"^(\d{1,12}):  (?:>>> emerge \((\d+) of (\d+)\) (\S+) to |=== \(\d+ of \d+\) Merging (Binary )?\(([^:)\s]+)|"
    rb"::: completed emerge \((\d+) of (\d+)\) (\S+) to )",
    re.M,
)
_VERSION: Final = re.compile(r"-\d[^-/]*(?:-r\d+)?$")
_KEPT: Final = 5


@dataclass(frozen=True, slots=True)
class MergeTimes:
    """Package name (category/name) to seconds, of builds from source and of binaries."""

    builds: dict[str, float]
    binaries: dict[str, float]


def build_seconds(log: str) -> dict[str, float]:
    """Package name (category/name) to seconds; only builds from source that were completed. Empty without a readable log."""
    return merge_times(log).builds


def merge_times(log: str) -> MergeTimes:
    """Of merges that were completed. Empty without a readable log."""
    taken: tuple[dict[str, deque[int]], dict[str, deque[int]]] = ({}, {})
    started: dict[bytes, int] = {}
    binary: set[bytes] = set()
    for match in _LINE.finditer(_end(log)):
        when, began, merging, completed = int(match[1]), match[4], match[6], match[9]
        if began:
            started[began] = when
            binary.discard(began)
        elif merging and match[5]:
            binary.add(merging)
        elif completed and completed in started:
            name = _VERSION.sub("", completed.decode("utf-8", "replace"))
            kind = taken[completed in binary]
            kind.setdefault(name, deque(maxlen=_KEPT)).append(max(0, when - started.pop(completed)))
    return MergeTimes(*({name: statistics.median(values) for name, values in kind.items()} for kind in taken))


def builds_here() -> dict[str, float]:
    """The same for the running Portage."""
    import portage

    return build_seconds(log_path(portage.settings))


def log_path(settings: Any) -> str:
    """Where the emerge.log of a Portage with these ``settings`` is."""
    return os.path.join(settings.get("EMERGE_LOG_DIR") or os.path.join(settings["EPREFIX"] or "/", "var/log"), "emerge.log")


def _end(log: str) -> bytes:
    try:
        with open(log, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - EMERGE_LOG_SIZE))
            return file.read(EMERGE_LOG_SIZE)
    except OSError:
        return b""
