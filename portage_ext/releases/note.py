"""A release says where its content came from, and which files it carries on for clients that still hold an older index.

A client that read the index of the release before asks the channel for its packages when the channel has moved on. A file
that left the index stays within reach for the grace time: every release holds it until then, under the name it had.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.errors.releases import TreeError

NOTE_NAME: Final = ".release.json"


@dataclass(frozen=True, slots=True)
class Note:
    """``content`` is the release in which this content appeared first, ``origin`` how it came here.

    ``carried`` has the path of each file that is held but not indexed, and when it left the index (seconds since 1970).
    """

    content: int
    origin: str
    carried: Mapping[str, int] = field(default_factory=dict)

    def emit(self) -> bytes:
        return json.dumps({"content": self.content, "origin": self.origin, "carried": dict(self.carried)}, indent=0).encode()


def read_note(path: Path, number: int) -> Note:
    """The note at ``path``; a release without one is its own content. Raises TreeError."""
    try:
        with path.open("rb") as file:
            data = file.read(limits.MAX_NOTE_SIZE + 1)
        if len(data) > limits.MAX_NOTE_SIZE:
            raise ValueError("too large")
        values = json.loads(data)
        carried = {str(name): int(since) for name, since in values["carried"].items()}
        return Note(int(values["content"]), str(values["origin"]), carried)
    except FileNotFoundError:
        return Note(number, "unknown")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TreeError(str(path), f"cannot be read: {error}") from error


def carry(before: Collection[str], already: Mapping[str, int], after: Collection[str], now: int, grace: int) -> dict[str, int]:
    """What a new release must hold beside its index, with the time each left one.

    ``before`` are the paths indexed until now, ``already`` what was carried until now, ``after`` the paths indexed from now
    on; ``grace`` in seconds.
    """
    kept = {path: since for path, since in already.items() if since + grace > now and path not in after}
    return kept | {path: now for path in before if path not in after}
