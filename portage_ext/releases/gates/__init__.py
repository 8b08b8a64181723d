"""What a release must be before it goes live. A gate looks at a candidate and names what it objects to; it changes nothing.

What is the same as in the live release of the channel passed there, and its files cannot have changed since: gates that look
into files look at the fresh ones.

A new gate is one module here, with a function ``gate`` that makes it, and its name in ``GATES``. A gate of another package is
an entry point of the group ``portage_ext.gates``: its name, and such a function. It is looked for only where ``GATES`` has no
such name.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, cast

from portage_ext.config.publishing import ChannelRules
from portage_ext.errors import InvalidCpvError, InvalidEntryError, PortageExtError
from portage_ext.errors.releases import Finding
from portage_ext.gpkg.verify import Judge
from portage_ext.model import IndexEntry
from portage_ext.releases.contents import Contents

ENTRY_POINTS: Final = "portage_ext.gates"
GATES: Final = ("index", "signatures", "closure", "contracts", "licences", "install")
"""The gates by name, in the order in which they judge. A channel has all of them unless portage-ext.toml names others."""


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


class Portage(Protocol):
    """What gates ask of Portage. It is imported when they ask."""

    def unsatisfied(self, provided: Sequence[str]) -> Unsatisfied:
        """``provided`` are names or atoms that clients are known to have."""
        ...

    def missing_licences(self, accepted: Sequence[str]) -> Missing:
        """``accepted`` as in ACCEPT_LICENSE. Raises GateUnavailableError for a group that no repository defines."""
        ...

    def install(self) -> Install: ...


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What the gates of a channel are made from: its rules, what believes signatures, Portage, and who can read it."""

    rules: ChannelRules
    judge: Judge
    portage: Portage
    public: bool


Factory = Callable[[Context], Gate | None]
"""Makes a gate; None where it has nothing to judge."""


def factory(name: str) -> Factory | None:
    """What makes the gate ``name``; None when there is no such gate."""
    if name in GATES:
        return cast(Factory, importlib.import_module(f"{__name__}.{name}").gate)
    from importlib.metadata import entry_points  # 20 ms, paid for a gate of another package only

    return next((cast(Factory, point.load()) for point in entry_points(group=ENTRY_POINTS, name=name)), None)


def unknown(names: Iterable[str]) -> list[str]:
    """Those of ``names`` that no gate has."""
    return sorted(name for name in set(names) if factory(name) is None)


def made(names: Sequence[str], context: Context) -> list[Gate]:
    """The gates ``names``, ours first and in their order. A name that no gate has is passed over: see :func:`unknown`."""
    order = [name for name in GATES if name in names] + [name for name in dict.fromkeys(names) if name not in GATES]
    makers = [maker for name in order if (maker := factory(name)) is not None]
    return [gate for maker in makers if (gate := maker(context)) is not None]


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
