"""The note of a release: where its content came from, and which files it still carries for clients with an older index.

After a rollback a channel is held: unattended runs do not switch it until a person publishes or promotes. The note of the live
release records the hold, so the hold begins and ends in the same step that switches the channel. A renewal keeps it.

While clients get a new toolchain, the other packages may wait (releases/first): the note of the live release says which, until
when, and since when the channel has each new symbol version.

A client that has read the previous index may ask for its packages after the channel has switched. So a file that left the
index stays available for the grace time: until then every release holds it under its old name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from portage_ext import limits
from portage_ext.errors.releases import TreeError
from portage_ext.records import field, record
from portage_ext.words import counted, minute

NOTE_NAME: Final = ".release.json"
BLOCKS_NAME: Final = ".blocks.json"
"""For each block of the index: the bytes of its text, its gzip member, its zstd frame and its lines in NAMES_NAME, and its
digests (releases/blocks)."""
NAMES_NAME: Final = ".names"
"""A line for each package of the index: its name in the pool, its size in bytes and its time (releases/blocks)."""
UNTIL: Final = "until you run portage-ext publish or promote for it"
"""What ends a hold."""


@record
class Hold:
    """A channel was rolled back to ``release`` at ``since`` (seconds since 1970) by the user ``by``, and stays there."""

    release: int
    since: int
    by: str

    def __str__(self) -> str:
        when = minute(self.since)
        return f"held at release {self.release} (rolled back {when} by {self.by})"


@record
class Waiting:
    """``packages`` are not published yet, because some of them need symbol versions that clients have only with ``toolchain``.

    At ``until`` (seconds since 1970) the next publish or promotion takes them. ``behind`` is the content that the channel last
    served completely.
    """

    packages: tuple[str, ...]
    toolchain: tuple[str, ...]
    until: int
    behind: int

    def text(self, now: float) -> str:
        """The state at ``now``, in words."""
        who = f"{counted(len(self.packages))} (such as {self.packages[0]})"
        if now >= self.until:
            return f"{who} no longer {'waits' if len(self.packages) == 1 else 'wait'}: publish or promote again"
        verb = "waits" if len(self.packages) == 1 else "wait"
        return f"{who} {verb} until {minute(self.until)}, so that clients first get {', '.join(self.toolchain)}"


@record
class Note:
    """``content`` is the release in which this content appeared first, ``origin`` how it came here.

    ``carried`` has the path of each file that is held but not indexed, and when it left the index (seconds since 1970).
    ``hold`` holds the channel while this release is live. ``arrived`` has the symbol versions that the channel got a short time
    ago, and when (seconds since 1970); ``waiting`` the packages that wait for them.
    """

    content: int
    origin: str
    carried: Mapping[str, int] = field(default_factory=dict)
    hold: Hold | None = None
    arrived: Mapping[str, int] = field(default_factory=dict)
    waiting: Waiting | None = None

    @property
    def complete(self) -> int:
        """The newest content of which no package waits any more."""
        return self.content if self.waiting is None else self.waiting.behind

    def emit(self) -> bytes:
        values = {"content": self.content, "origin": self.origin, "carried": dict(self.carried)}
        held = {} if self.hold is None else {"hold": _values(self.hold)}
        arrived = {"arrived": dict(self.arrived)} if self.arrived else {}
        waiting = {} if self.waiting is None else {"waiting": _values(self.waiting)}
        return json.dumps(values | held | arrived | waiting).encode()


def _values(one: Hold | Waiting) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__match_args__}


def read_note(path: Path, number: int) -> Note:
    """The note at ``path``; a release without one is its own content. Raises TreeError."""
    try:
        with path.open("rb") as file:
            # Read by the size of the file: to read up to the bound would allocate that much memory for every note.
            if os.fstat(file.fileno()).st_size > limits.MAX_NOTE_SIZE:
                raise ValueError("too large")
            data = file.read()
        values = json.loads(data)
        carried = {str(name): int(since) for name, since in values["carried"].items()}
        arrived = {str(name): int(since) for name, since in values.get("arrived", {}).items()}
        hold, waiting = _hold(values.get("hold")), _waiting(values.get("waiting"))
        return Note(int(values["content"]), str(values["origin"]), carried, hold, arrived, waiting)
    except FileNotFoundError:
        return Note(number, "unknown")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise TreeError(str(path), f"cannot be read: {error}") from error


def _hold(value: Mapping[str, object] | None) -> Hold | None:
    return None if value is None else Hold(int(str(value["release"])), int(str(value["since"])), str(value["by"]))


def _waiting(value: Mapping[str, Any] | None) -> Waiting | None:
    if value is None:
        return None
    packages, toolchain = (tuple(map(str, value[name])) for name in ("packages", "toolchain"))
    if not packages:
        raise ValueError("no package waits")
    return Waiting(packages, toolchain, int(value["until"]), int(value["behind"]))


def carry(before: Collection[str], already: Mapping[str, int], after: Collection[str], now: int, grace: int) -> dict[str, int]:
    """The files that a new release must hold in addition to its index, with the time at which each left the index.

    ``before`` are the paths indexed until now, ``already`` what was carried until now, ``after`` the paths indexed from now
    on; ``grace`` in seconds.
    """
    kept = {path: since for path, since in already.items() if since + grace > now and path not in after}
    return kept | {path: now for path in before if path not in after}
