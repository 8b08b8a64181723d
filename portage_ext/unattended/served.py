"""What a web server has sent, from its access log in the format "common" or "combined", as nginx and Apache write it.

The log is foreign: clients choose paths. A line in another form is skipped, and only the size of an answer is added up.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext import limits

_LINE: Final = re.compile(rb'"(?:GET|HEAD) /([^\s"]{0,4096}) HTTP/[0-9.]{1,4}" ([0-9]{3}) ([0-9]{1,18}|-)(?: |$)')
OTHER: Final = ""
"""The channel of what was served from the tree but below none of its channels."""


@dataclass(slots=True)
class Served:
    """Requests and bytes of their answers."""

    requests: int = 0
    size: int = 0


def read(path: Path, trees: Mapping[str, Collection[str]]) -> dict[tuple[str, str], Served]:
    """What the log at ``path`` says of each tree and channel. ``trees`` has the channels of each tree by its folder's name.

    Only the end of a very large log is read. Raises OSError.
    """
    found = {(tree, channel): Served() for tree, channels in trees.items() for channel in (*channels, OTHER)}
    with path.open("rb") as file:
        start = max(0, os.fstat(file.fileno()).st_size - limits.ACCESS_LOG_SIZE)
        file.seek(start)
        if start:
            file.readline(limits.ACCESS_LOG_LINE)
        while line := file.readline(limits.ACCESS_LOG_LINE):
            match = _LINE.search(line)
            if match is None:
                continue
            parts = match[1].decode("ascii", "replace").split("/")
            for tree, channels in trees.items():
                if tree in parts[:-1]:
                    below = parts[parts.index(tree) + 1]
                    served = found[tree, below if below in channels else OTHER]
                    served.requests += 1
                    served.size += 0 if match[3] == b"-" else int(match[3])
                    break
    return found
