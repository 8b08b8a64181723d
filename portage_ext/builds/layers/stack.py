"""A stack says of which layers the environment of a target consists. It is written when the environment was compared."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from portage_ext import files
from portage_ext.builds.layers.store import Layers
from portage_ext.errors.builds import TargetError
from portage_ext.limits import builds as limits
from portage_ext.targets.copying.listing import LAYERS

KIND: Final = "layers"
"""The first part of the source of a target whose environment is a stack; the rest is the path of the stack."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Repository:
    """An ebuild repository of this host, and where the environment has it."""

    name: str
    source: str
    inside: str


@dataclass(frozen=True, slots=True)
class Stack:
    """``layers`` are the digests of contents by name (``listing.LAYERS``). ``source`` is where the files were copied from."""

    store: Path
    layers: Mapping[str, str]
    source: str
    repositories: tuple[Repository, ...] = field(default=())

    def recipes(self) -> list[tuple[str, dict[str, str]]]:
        """The name and the recipe of each layer, the top one first."""
        return [(name, recipe(self.layers[name])) for name in reversed(LAYERS)]

    def trees(self) -> tuple[Path, ...]:
        """The trees of the layers, the top one first."""
        return tuple(Layers(self.store).tree(one) for _, one in self.recipes())

    def missing(self) -> list[str]:
        """The names of layers that do not exist or differ from their list. Reads the names and times of all files."""
        return [name for name, one in self.recipes() if not Layers(self.store).is_whole(one)]

    def save(self, place: Path) -> None:
        """Write it to ``place``. Raises OSError."""
        values = {
            "store": str(self.store),
            "layers": dict(self.layers),
            "source": self.source,
            "repositories": [asdict(one) for one in self.repositories],
        }
        files.make_directory(place.parent, 0o700)
        files.replace_file(place, json.dumps(values, indent=1, sort_keys=True).encode() + b"\n", mode=0o600)


def recipe(content: str) -> dict[str, str]:
    """The recipe of the layer with this content."""
    return {"content": content}


def place(state: Path, name: str) -> Path:
    """Where the stack of the target ``name`` is. ``state`` is the directory of builds."""
    return state / "environments" / f"{name}.json"


def read(path: Path, name: str) -> Stack:
    """Read the stack of the target ``name``. Raises TargetError."""
    try:
        with path.open("rb") as file:
            values = json.loads(file.read(limits.JOB_SIZE))
        layers: dict[str, str] = {one: values["layers"][one] for one in LAYERS}
        if not all(_DIGEST.fullmatch(one) for one in layers.values()):
            raise ValueError(path)
        repositories = tuple(Repository(**one) for one in values["repositories"])
        return Stack(Path(values["store"]), layers, values["source"], repositories)
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"the list of its layers, {path}, cannot be read; make it again with `portage-ext target copy {name}`"
        raise TargetError(name, why) from error
