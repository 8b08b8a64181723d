"""A made repository records its content and the reasons in ``metadata/portage-ext.json``, which is replaced together with it.

The record has no time and no revision, so it changes only if the repository changes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from portage_ext.errors.repositories import RepositoryError
from portage_ext.limits import repositories as limits

RECORD: Final = "metadata/portage-ext.json"
_FORMAT: Final = 1


class Kind(StrEnum):
    """The kind of a remark."""

    REFUSED = "refused"
    """A package, or a change of it, that was not accepted."""
    KEPT = "kept"
    """A package from an earlier sync that is kept, because the source no longer has it or it was refused."""
    UNREADABLE = "unreadable"
    """An ebuild in the repository whose metadata cannot be read."""
    MISSING = "missing"
    """A dependency that no repository here has."""
    LEFT_OUT = "left out"
    """A file, or lines of it, that would affect more than the packages of this repository."""
    MOVED = "moved"
    """A package that was renamed."""
    HELD = "held"
    """Something that a person must confirm first."""


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """A package (``category/name``) or an eclass (``eclass/name``), and whether a person listed it or who needs it."""

    name: str
    listed: bool
    needed_by: tuple[str, ...] = ()
    """Names of items, sorted."""


@dataclass(frozen=True, slots=True, order=True)
class Remark:
    """Information for a person about ``name``, with the reason."""

    kind: Kind
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Record:
    """The record. ``made_by`` is the sync type, ``source`` is what the repository was made from."""

    made_by: str
    source: str
    items: tuple[Item, ...] = ()
    remarks: tuple[Remark, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    """Other values that the sync type stores."""

    def item(self, name: str) -> Item | None:
        return next((one for one in self.items if one.name == name), None)

    def data(self) -> bytes:
        """The text of the file."""
        values = {"format": _FORMAT, **asdict(self), "items": [asdict(one) for one in sorted(self.items)]}
        values["remarks"] = [asdict(one) for one in sorted(self.remarks)]
        return (json.dumps(values, indent=1, sort_keys=True) + "\n").encode()


def is_made(location: Path) -> bool:
    """Whether the directory ``location`` was made by one of our sync types."""
    return (location / RECORD).is_file()


def load(location: Path) -> Record | None:
    """Read the record of the repository at ``location``; None if no sync of ours made it. Raises RepositoryError."""
    path = location / RECORD
    try:
        with path.open("rb") as file:
            data = file.read(limits.RECORD_SIZE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RepositoryError(str(path), error.strerror or str(error), "See to it that the file can be read") from error
    try:
        if len(data) > limits.RECORD_SIZE:
            raise ValueError("it is too large")
        values = json.loads(data)
        if values["format"] != _FORMAT:
            raise ValueError("it has the format of another version of portage-ext")
        items = tuple(Item(str(v["name"]), bool(v["listed"]), tuple(map(str, v["needed_by"]))) for v in values["items"])
        remarks = tuple(Remark(Kind(v["kind"]), str(v["name"]), str(v["why"])) for v in values["remarks"])
        facts = {str(key): str(value) for key, value in values["facts"].items()}
        return Record(str(values["made_by"]), str(values["source"]), items, remarks, facts)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RepositoryError(
            str(path), f"it is no record of a made repository ({error})", f"Remove {location} and sync again"
        ) from error
