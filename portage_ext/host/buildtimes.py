"""How long packages took to build on this host, from emerge.log: the median of the last builds of each package name."""

from __future__ import annotations

import os
import re
import statistics
from collections import deque
from typing import Final

from portage_ext.limits import EMERGE_LOG_SIZE

_LINE: Final = re.compile(
    rb"^(\d{1,12}):  (?:>>> emerge \((\d+) of (\d+)\) (\S+) to |=== \(\d+ of \d+\) Merging (Binary )?\(([^:)\s]+)|"
    rb"::: completed emerge \((\d+) of (\d+)\) (\S+) to )",
    re.M,
)
_VERSION: Final = re.compile(r"-\d[^-/]*(?:-r\d+)?$")
_KEPT: Final = 5


def build_seconds(log: str) -> dict[str, float]:
    """Package name (category/name) to seconds; only builds from source that were completed. Empty without a readable log."""
    taken: dict[str, deque[int]] = {}
    started: dict[bytes, int] = {}
    for match in _LINE.finditer(_end(log)):
        when, began, merging, completed = int(match[1]), match[4], match[6], match[9]
        if began:
            started[began] = when
        elif merging and match[5]:
            started.pop(merging, None)
        elif completed and completed in started:
            name = _VERSION.sub("", completed.decode("utf-8", "replace"))
            taken.setdefault(name, deque(maxlen=_KEPT)).append(max(0, when - started.pop(completed)))
    return {name: statistics.median(values) for name, values in taken.items()}


def _end(log: str) -> bytes:
    try:
        with open(log, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - EMERGE_LOG_SIZE))
            return file.read(EMERGE_LOG_SIZE)
    except OSError:
        return b""
