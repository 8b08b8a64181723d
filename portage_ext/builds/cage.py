"""What one build may see and use, as a value; ``builds/inside`` makes it true and ``builds/isolation`` starts it.

The text of it goes to the process inside, so it is plain data: paths are as this host sees them (``source``, ``lower``) or as
the build will (``inside``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from portage_ext import limits

CAGE_FAILED: Final = 125
"""Exit status when the cage could not be made; the log says why."""
RESULTS_REFUSED: Final = 124
"""Exit status when the command ended well and what it left cannot be taken out of the cage; the log says why."""


@dataclass(frozen=True, slots=True)
class Bind:
    """A directory or file of this host that the build sees at ``inside``."""

    source: str
    inside: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Over:
    """Layers that the build sees at ``inside``, the uppermost first; what it writes there goes to the scratch."""

    lower: tuple[str, ...]
    inside: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """Memory in bytes (swap included), processes, bytes that may be written to the scratch, seconds, bytes of the results."""

    memory: int
    processes: int
    disk: int
    seconds: float
    results: int = limits.BUILD_RESULT


@dataclass(frozen=True, slots=True)
class Cage:
    """``layers`` make the root and what lies over it; the first is the root. ``command`` runs there with ``environment`` alone.

    ``scratch`` is an empty directory of this host that must not lie below a layer: a file system of ``bounds.disk`` bytes is
    mounted on it in the cage's own mount namespace, so that it is gone when the cage is.
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
    """When the command has ended and everything it started is killed, the regular files below ``results`` (inside) are copied
    into ``out`` (of this host), as long as they are within ``bounds.results``."""
    keep: str = ""
    """A directory of this host into which everything is copied that the command has written over the last of ``layers``, when
    it ended well. It becomes a layer itself. Within ``bounds.disk``."""
    empty: tuple[str, ...] = ("/tmp", "/run")
    """Directories that begin empty in the cage, whatever the layers have there."""

    def emit(self) -> bytes:
        """The text that :func:`parse` reads."""
        return json.dumps(asdict(self)).encode()


def parse(data: bytes) -> Cage:
    """The cage of a text that :meth:`Cage.emit` made, in the process inside."""
    values: dict[str, Any] = json.loads(data)
    values |= {name: tuple(values[name]) for name in ("command", "empty")}
    values["layers"] = tuple(Over(tuple(one["lower"]), one["inside"]) for one in values["layers"])
    values["bounds"] = Bounds(**values["bounds"])
    values["binds"] = tuple(Bind(**one) for one in values["binds"])
    return Cage(**values)
