"""What may be removed from PKGDIR: superseded builds, versions that no ebuild repository has, and packages that are too old.

Only names in PKGDIR are removed. A release has its own names for its files, so it keeps them. On request, packages of a live
release stay in PKGDIR too. The newest build of the newest version of a slot is never removed as too old or superseded, so a
host that builds rarely does not lose its packages.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from portage_ext.model import IndexEntry

_DAY: Final = 86400


class Reason(Enum):
    """Why a package may be removed."""

    SUPERSEDED = "superseded build"
    GONE = "not in any repository"
    OLD = "older than policy"


@dataclass(frozen=True, slots=True)
class Policy:
    """``builds`` newest builds of each version, slot and USE are kept; ``age`` in seconds (None: no bound); ``gone``: whether
    versions that no repository has any more may go."""

    builds: int = 1
    age: int | None = None
    gone: bool = True


@dataclass(frozen=True, slots=True)
class Candidate:
    """A package that may be removed: its index entry, and why."""

    entry: IndexEntry
    reason: Reason

    @property
    def size(self) -> int:
        return self.entry.size


Newest = Callable[[Sequence[IndexEntry]], IndexEntry]
"""The entry of the highest version, by Portage's order."""


def candidates(
    entries: Iterable[IndexEntry],
    policy: Policy,
    *,
    exists: Callable[[IndexEntry], bool],
    newest: Newest,
    now: int,
    held: Collection[str] = (),
) -> list[Candidate]:
    """The packages to remove, sorted by PATH. ``exists``: whether a repository has the ebuild; ``held``: paths to keep."""
    every = list(entries)
    stays = {id(newest(group)) for group in _grouped(every, _slot).values()}
    superseded: set[int] = set()
    for group in _grouped(every, _variant).values():
        superseded |= {id(one) for one in sorted(group, key=_built, reverse=True)[policy.builds :]}
    found: list[Candidate] = []
    for entry in every:
        if entry.get("PATH") in held:
            continue
        if id(entry) in superseded:
            found.append(Candidate(entry, Reason.SUPERSEDED))
        elif policy.gone and not exists(entry):
            found.append(Candidate(entry, Reason.GONE))
        elif policy.age is not None and id(entry) not in stays and _built(entry)[0] + policy.age <= now:
            found.append(Candidate(entry, Reason.OLD))
    return sorted(found, key=lambda one: one.entry.get("PATH"))


def _grouped(
    entries: Iterable[IndexEntry], key: Callable[[IndexEntry], tuple[str, ...]]
) -> Mapping[tuple[str, ...], list[IndexEntry]]:
    groups: dict[tuple[str, ...], list[IndexEntry]] = {}
    for entry in entries:
        groups.setdefault(key(entry), []).append(entry)
    return groups


def _slot(entry: IndexEntry) -> tuple[str, ...]:
    return entry.cpv.cp, entry.slot.partition("/")[0], entry.repository or ""


def _variant(entry: IndexEntry) -> tuple[str, ...]:
    """The key of a variant: builds with the same key differ for a client only in their age."""
    use = " ".join(sorted(entry.get("USE").split()))
    return (
        entry.get("CPV"), entry.slot, entry.repository or "", use, entry.get("CHOST"), entry.get("RDEPEND"),
        entry.get("CFLAGS"),
    )  # fmt: skip


def _built(entry: IndexEntry) -> tuple[int, int]:
    time = entry.get("BUILD_TIME") or entry.get("MTIME")
    return int(time) if time.isascii() and time.isdigit() else 0, entry.build_id or 0


def report(found: Sequence[Candidate]) -> list[tuple[str, int, int]]:
    """Name, count and bytes: by reason, then by category, the largest first."""
    return _sums((one.reason.value, one.size) for one in found) + _sums((one.entry.cpv.category, one.size) for one in found)


def _sums(sizes: Iterable[tuple[str, int]]) -> list[tuple[str, int, int]]:
    rows: dict[str, tuple[int, int]] = {}
    for name, size in sizes:
        count, total = rows.get(name, (0, 0))
        rows[name] = (count + 1, total + size)
    return sorted(((name, count, total) for name, (count, total) in rows.items()), key=lambda row: -row[2])
