"""A Cage is a plain value that says what one build may see and use; ``isolation`` starts it, ``inside`` sets it up.

It is sent as text to the process inside the cage. Paths are as seen on this host (``source``, ``lower``) or as seen by the
build (``inside``). These are named tuples, because making dataclasses would take a tenth of the time to set up a cage.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from portage_ext.limits import builds as limits

CAGE_FAILED: Final = 125
"""The exit status if the cage could not be set up; the log says why."""
ALLOWED: Final = b"go\n"
"""The process that started the cage sends this line after the cage, when the command may work."""
RESULTS_REFUSED: Final = 124
"""The exit status if the command succeeded, but its results could not be copied out of the cage; the log says why."""


class Bind(NamedTuple):
    """A directory or file of this host that is mounted in the cage at ``inside``."""

    source: str
    inside: str
    writable: bool = False


class Over(NamedTuple):
    """Layers of an overlay that is mounted in the cage at ``inside``, the top layer first. Writes go to the scratch
    directory."""

    lower: tuple[str, ...]
    inside: str


class Bounds(NamedTuple):
    """The limits of a build: memory in bytes (including swap), number of processes, bytes in the scratch directory, seconds,
    and bytes of the results."""

    memory: int
    processes: int
    disk: int
    seconds: float
    results: int = limits.BUILD_RESULT


class Cage(NamedTuple):
    """A cage. The first of ``layers`` is the root, and the others are mounted over it. ``command`` runs there with only the
    variables in ``environment``.

    ``scratch`` is an empty directory of this host that must not be below a layer. A file system of ``bounds.disk`` bytes is
    mounted on it in the mount namespace of the cage, so it disappears together with the cage.
    """

    layers: tuple[Over, ...]
    scratch: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    bounds: Bounds
    binds: tuple[Bind, ...] = ()
    network: bool = False
    name: str = "build"
    results: str = ""
    out: str = ""
    """After the command has ended and everything that it started is killed, the regular files below ``results`` (in the cage)
    are copied to ``out`` (on this host) if they are within ``bounds.results``."""
    keep: str = ""
    """A directory of this host. If the command succeeds, everything that it wrote over the last of ``layers`` is copied there,
    within ``bounds.disk``. The copy can be used as a layer."""
    early: bool = False
    """The command starts before it may work, and waits for a line on standard input (``cages/early``)."""
    empty: tuple[str, ...] = ("/tmp", "/run")
    """Directories that are empty at the start, even if the layers have files there."""

    def emit(self) -> bytes:
        """The line that :func:`parse` reads."""
        return json.dumps(self).encode() + b"\n"


def parse(data: bytes) -> Cage:
    """Parse the line from :meth:`Cage.emit`. The process inside the cage calls this."""
    values: dict[str, Any] = dict(zip(Cage._fields, json.loads(data), strict=True))
    values |= {name: tuple(values[name]) for name in ("command", "empty")}
    values["layers"] = tuple(Over(tuple(lower), inside) for lower, inside in values["layers"])
    values["bounds"] = Bounds(*values["bounds"])
    values["binds"] = tuple(Bind(*one) for one in values["binds"])
    return Cage(**values)
