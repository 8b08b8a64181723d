"""What the pages remember of the releases of a channel: one record each, carried from release to release.

Retention removes releases; their records stay, so that charts and the feed reach further back. A record that cannot be read is
left out: it informs people, and nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from portage_ext import limits, shown


@dataclass(frozen=True, slots=True)
class Record:
    """One release. ``created`` in seconds since 1970, ``size`` in bytes of all packages, ``signed`` how many have a signature.

    ``saved`` is the time in seconds that the builder took for the ``timed`` packages whose build time is known.
    """

    number: int
    created: int
    origin: str
    packages: int
    size: int
    signed: int
    added: int = 0
    removed: int = 0
    rebuilt: int = 0
    saved: int = 0
    timed: int = 0

    def value(self) -> dict[str, int | str]:
        return asdict(self)


def records(values: object) -> list[Record]:
    """The records in ``values``, read from JSON; oldest first."""
    found = [one for value in values if (one := _record(value)) is not None] if isinstance(values, list) else []
    return sorted(found, key=lambda one: one.number)


def with_new(before: Iterable[Record], new: Record) -> Sequence[Record]:
    """The history with ``new`` at its end, as long as it may be."""
    return [*(one for one in before if one.number < new.number), new][-limits.PAGES_HISTORY :]


def _record(value: Any) -> Record | None:
    try:
        numbers = {name: int(value[name]) for name in Record.__slots__ if name != "origin"}
        return Record(origin=shown.line(str(value["origin"])), **numbers)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def told(one: Record | Mapping[str, int]) -> str:
    """The changes of a release in words."""
    counts = one.value() if isinstance(one, Record) else one
    parts = [f"{counts[key]} {key}" for key in ("added", "removed", "rebuilt") if counts[key]]
    return ", ".join(parts) or "no package changed"
