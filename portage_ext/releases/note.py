"""A release says where its content came from, and which files it carries on for clients that still hold an older index.

After a rollback a channel is held: what runs by itself switches it to nothing else until a person publishes or promotes. The
note of the live release says so, and so the hold comes and goes in the one step that switches the channel; a renewal keeps it.

A client that read the index of the release before asks the channel for its packages when the channel has moved on. A file
that left the index stays within reach for the grace time: every release holds it until then, under the name it had.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.errors.releases import TreeError
from portage_ext.words import minute

NOTE_NAME: Final = ".release.json"
UNTIL: Final = "until portage-ext publish or promote"
"""What ends a hold."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A channel was rolled back to ``release`` at ``since`` (seconds since 1970) by the user ``by``, and stays there."""

    release: int
    since: int
    by: str

    def __str__(self) -> str:
        when = minute(self.since)
        return f"held at release {self.release} (rolled back {when} by {self.by})"


@dataclass(frozen=True, slots=True)
class Note:
    """``content`` is the release in which this content appeared first, ``origin`` how it came here.

    ``carried`` has the path of each file that is held but not indexed, and when it left the index (seconds since 1970).
    ``hold`` holds the channel while this release is live.
    """

    content: int
    origin: str
    carried: Mapping[str, int] = field(default_factory=dict)
    hold: Hold | None = None

    def emit(self) -> bytes:
        values = {"content": self.content, "origin": self.origin, "carried": dict(self.carried)}
        held = {} if self.hold is None else {"hold": asdict(self.hold)}
        return json.dumps(values | held, indent=0).encode()


def read_note(path: Path, number: int) -> Note:
    """The note at ``path``; a release without one is its own content. Raises TreeError."""
    try:
        with path.open("rb") as file:
            # As much as there is: to ask for the bound would take as much memory for every note.
            if os.fstat(file.fileno()).st_size > limits.MAX_NOTE_SIZE:
                raise ValueError("too large")
            data = file.read()
        values = json.loads(data)
        carried = {str(name): int(since) for name, since in values["carried"].items()}
        return Note(int(values["content"]), str(values["origin"]), carried, _hold(values.get("hold")))
    except FileNotFoundError:
        return Note(number, "unknown")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise TreeError(str(path), f"cannot be read: {error}") from error


def _hold(value: Mapping[str, object] | None) -> Hold | None:
    return None if value is None else Hold(int(str(value["release"])), int(str(value["since"])), str(value["by"]))


def carry(before: Collection[str], already: Mapping[str, int], after: Collection[str], now: int, grace: int) -> dict[str, int]:
    """What a new release must hold beside its index, with the time each left one.

    ``before`` are the paths indexed until now, ``already`` what was carried until now, ``after`` the paths indexed from now
    on; ``grace`` in seconds.
    """
    kept = {path: since for path, since in already.items() if since + grace > now and path not in after}
    return kept | {path: now for path in before if path not in after}
