"""The pages keep one record of every release of a channel, and copy the records from release to release.

Retention removes releases, but their records stay, so that charts and the feed go further back. A record that cannot be read is
left out. That is harmless, because records are only shown and decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from portage_ext import shown
from portage_ext.limits import views as limits


@dataclass(frozen=True, slots=True)
class Record:
    """One release. ``created`` is in seconds since 1970, ``size`` is the size of all packages in bytes, ``signed`` is the
    number of signed packages.

    ``saved`` is how long the builder took for the ``timed`` packages with a known build time, in seconds.
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
    """Parse the records in ``values``, a value from JSON; the oldest comes first."""
    found = [one for value in values if (one := _record(value)) is not None] if isinstance(values, list) else []
    return sorted(found, key=lambda one: one.number)


def with_new(before: Iterable[Record], new: Record) -> Sequence[Record]:
    """The history with ``new`` at its end, cut to the maximum length."""
    return [*(one for one in before if one.number < new.number), new][-limits.PAGES_HISTORY :]


def _record(value: Any) -> Record | None:
    try:
        numbers = {name: int(value[name]) for name in Record.__slots__ if name != "origin"}
        return Record(origin=shown.line(str(value["origin"])), **numbers)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def told(one: Record | Mapping[str, int]) -> str:
    """The changes of a release as text."""
    counts = one.value() if isinstance(one, Record) else one
    parts = [f"{counts[key]} {key}" for key in ("added", "removed", "rebuilt") if counts[key]]
    return ", ".join(parts) or "no package changed"
