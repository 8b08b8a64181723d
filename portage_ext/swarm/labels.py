"""A builder reports labels: its machine, CPU, memory, free disk space and environments, and why it takes no jobs.

The text comes from another machine, so the coordinator limits and checks all values. Labels only decide where a job is tried,
never whether a result is good. If a builder reports more than it has, its builds fail.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from portage_ext.errors.swarm import LabelsError
from portage_ext.limits import swarm as bounds

FORMAT: Final = "portage-ext-labels-1"
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+-]{0,63}")
_FEATURE: Final = re.compile(r"[a-z0-9][a-z0-9_]{0,31}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Labels:
    """``features`` are those of the CPU (policy/cpu), ``level`` is its highest x86-64 level; sizes are in bytes.

    ``disk`` is the free space for builds, and ``load`` is the load average per CPU. ``targets`` maps the name of each target to
    the digest of its environment (``targets/differences.identity``). ``closed`` says why no jobs are taken.
    """

    machine: str = ""
    model: str = ""
    features: frozenset[str] = frozenset()
    level: int = 0
    cpus: int = 1
    memory: int = 0
    disk: int = 0
    load: float = 0.0
    targets: Mapping[str, str] = field(default_factory=dict)
    closed: str = ""

    def emit(self) -> str:
        """The labels as text for :func:`parse`."""
        values: dict[str, Any] = {
            "format": FORMAT,
            "machine": self.machine,
            "model": self.model,
            "features": sorted(self.features),
            "level": self.level,
            "cpus": self.cpus,
            "memory": self.memory,
            "disk": self.disk,
            "load": round(self.load, 2),
            "targets": dict(self.targets),
            "closed": self.closed,
        }
        return json.dumps(values, sort_keys=True)


def parse(text: str, builder: str) -> Labels:
    """Parse the labels in ``text`` from the builder of this name. Raises LabelsError."""
    try:
        document = json.loads(text) if len(text) <= bounds.LABELS else None
    except (ValueError, RecursionError) as error:
        raise LabelsError(builder, f"they are no JSON ({error})") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise LabelsError(builder, f"they are not of the format {FORMAT}")
    features, targets = document.get("features"), document.get("targets")
    if not isinstance(features, list) or not all(isinstance(one, str) and _FEATURE.fullmatch(one) for one in features):
        raise LabelsError(builder, "they have no list of CPU features")
    if not isinstance(targets, dict) or not all(
        _NAME.fullmatch(name) and isinstance(one, str) and _DIGEST.fullmatch(one) for name, one in targets.items()
    ):
        raise LabelsError(builder, "they have no table of environments with digests")
    return Labels(
        machine=_text(document, "machine", builder),
        model=_text(document, "model", builder),
        features=frozenset(features),
        level=int(_number(document, "level", builder, 4)),
        cpus=max(1, int(_number(document, "cpus", builder, 2**16))),
        memory=int(_number(document, "memory", builder, 2**60)),
        disk=int(_number(document, "disk", builder, 2**60)),
        load=_number(document, "load", builder, 2**20),
        targets=targets,
        closed=_text(document, "closed", builder),
    )


def _text(document: Mapping[str, object], name: str, builder: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or len(value) > bounds.TEXT or not value.isprintable():
        raise LabelsError(builder, f"{name} is no printable text within {bounds.TEXT} characters")
    return value


def _number(document: Mapping[str, object], name: str, builder: str, most: float) -> float:
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise LabelsError(builder, f"{name} is no number from 0 to {most:.0f}")
    return value
