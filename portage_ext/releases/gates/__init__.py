"""What a release must be before it goes live. A gate looks at a candidate and names what it objects to; it changes nothing.

What is the same as in the live release of the channel passed there, and its files cannot have changed since: gates that look
into files look at the fresh ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from portage_ext.errors import InvalidCpvError, InvalidEntryError, PortageExtError
from portage_ext.errors.releases import Finding
from portage_ext.model import IndexEntry
from portage_ext.releases.contents import Contents


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A staged release: its directory, the channel it is for, its index, and the paths that the live release has not so."""

    directory: Path
    channel: str
    contents: Contents
    forms: Mapping[str, bytes]
    fresh: tuple[str, ...]

    def fresh_entries(self) -> Iterator[tuple[str, IndexEntry]]:
        for path in self.fresh:
            yield path, self.contents.entry(path)


class Gate(Protocol):
    """One gate; ``name`` is what the configuration calls it."""

    @property
    def name(self) -> str: ...

    def check(self, candidate: Candidate) -> Iterable[Finding]:
        """What is wrong with the candidate, one finding a package. Raises GateUnavailableError, OSError."""
        ...


Unsatisfied = Callable[[Iterable[IndexEntry]], Iterable[tuple[IndexEntry, str, str]]]
"""Takes every entry of a release; says which has what unsatisfied: the entry, the variable, the dependency."""
Missing = Callable[[IndexEntry], str | None]
"""Which licence of the package may not be given to everybody, None when all may."""
Install = Callable[[Path, bytes, tuple[IndexEntry, ...]], Iterable[tuple[str, str]]]
"""Merges entries, whose files are below the directory and whose index is given, into a scratch root; says what failed."""


def described(entry: IndexEntry) -> str:
    """An entry as a person calls it: CPV and build id."""
    try:
        build = entry.build_id
        return f"{entry.cpv}-{build}" if build is not None else str(entry.cpv)
    except (InvalidCpvError, InvalidEntryError):
        return entry.get("PATH", "?")


def run_gates(gates: Iterable[Gate], candidate: Candidate) -> list[Finding]:
    """Everything that ``gates`` object to. A failure of a gate is an objection too: what was not checked did not pass."""
    findings: list[Finding] = []
    for gate in gates:
        try:
            findings.extend(gate.check(candidate))
        except PortageExtError as error:
            findings.append(Finding(gate.name, "gate", str(error)))
    return findings
