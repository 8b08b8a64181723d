"""A release must pass its gates before it goes live. A gate checks a candidate and lists its objections; it changes nothing.

A finding that is a warning is printed, and does not stop the release.

Files that the live release of the channel also has passed the gates there and cannot have changed since. Gates that read
files therefore read only the fresh files.

A new gate is one module here with a function ``gate`` that returns it, and its name in ``GATES``. A gate of another package
is an entry point of the group ``portage_ext.gates`` with such a function. It is looked up only if ``GATES`` lacks the name.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

from portage_ext.config.publishing import ChannelRules
from portage_ext.errors import InvalidCpvError, InvalidEntryError, PortageExtError
from portage_ext.errors.releases import Finding, GateError
from portage_ext.model import IndexEntry
from portage_ext.records import record
from portage_ext.releases.contents import Contents

if TYPE_CHECKING:
    from portage_ext.gpkg.verify import Judge, Matched
    from portage_ext.model.vulnerable import Unread, Vulnerable

ENTRY_POINTS: Final = "portage_ext.gates"
GATES: Final = ("index", "signatures", "closure", "contracts", "licences", "glsa", "install")
"""The gates by name, in the order in which they run. A channel has all of them unless portage-ext.toml names others."""


@record(eq=False)
class Candidate:
    """A staged release: directory, channel, index, and as ``fresh`` the paths that the live release lacks or has otherwise.

    All files but ``unseen`` (None: all of them) were looked at, and are as their entries say.
    """

    directory: Path
    channel: str
    contents: Contents
    forms: Mapping[str, bytes]
    fresh: tuple[str, ...]
    unseen: Collection[str] | None = None

    def fresh_entries(self) -> Iterator[tuple[str, IndexEntry]]:
        for path in self.fresh:
            yield path, self.contents.entry(path)


class Gate(Protocol):
    """One gate; ``name`` is what the configuration calls it."""

    @property
    def name(self) -> str: ...

    def check(self, candidate: Candidate) -> Iterable[Finding]:
        """What is wrong with the candidate, one finding per package. Raises GateUnavailableError, OSError."""
        ...


Unsatisfied = Callable[[Iterable[IndexEntry]], Iterable[tuple[IndexEntry, str, str]]]
"""Takes every entry of a release; yields each unsatisfied dependency: the entry, the variable, the dependency."""
Missing = Callable[[IndexEntry], str | None]
"""The licence of the package that is not accepted for redistribution; None if all are."""
Install = Callable[[Path, bytes, tuple[IndexEntry, ...]], Iterable[tuple[str, str]]]
"""Takes a directory with packages, its index, and entries; merges these into a scratch root and yields what failed."""
Masked = Callable[[IndexEntry], bool]
"""Whether the configuration of this host masks the package, so that its emerge cannot try it."""


class Advisories(Protocol):
    """The GLSAs of this host; false if it has none."""

    def __bool__(self) -> bool: ...

    def in_release(self, entries: Iterable[IndexEntry], arch: str = "") -> list[Vulnerable]:
        """The vulnerable packages among all entries of a release for ``arch``."""
        ...

    @property
    def unread(self) -> Unread | None:
        """What could not be read until now."""
        ...


class Portage(Protocol):
    """What gates ask of Portage. Portage is imported at the first question."""

    def unsatisfied(self, provided: Sequence[str]) -> Unsatisfied:
        """``provided`` are package names or atoms that all clients have."""
        ...

    def missing_licences(self, accepted: Sequence[str]) -> Missing:
        """``accepted`` as in ACCEPT_LICENSE. Raises GateUnavailableError for a group that no repository defines."""
        ...

    def advisories(self) -> Advisories: ...

    def install(self) -> Install: ...

    def masked(self) -> Masked: ...


@record(eq=False)
class Context:
    """What the gates of a channel need: its rules, the judge of signatures, Portage, whether everybody can read it, and the
    packages that this process has compared with their Manifests before."""

    rules: ChannelRules
    judge: Judge
    portage: Portage
    public: bool
    matched: Matched | None = None


Factory = Callable[[Context], Gate | None]
"""Returns a gate, or None if it does not apply to the channel."""


def factory(name: str) -> Factory | None:
    """The factory of the gate ``name``; None if there is no such gate."""
    if name in GATES:
        return cast(Factory, importlib.import_module(f"{__name__}.{name}").gate)
    from importlib.metadata import entry_points  # takes 20 ms, so only for a gate of another package

    return next((cast(Factory, point.load()) for point in entry_points(group=ENTRY_POINTS, name=name)), None)


def unknown(names: Iterable[str]) -> list[str]:
    """The ``names`` for which there is no gate."""
    return sorted(name for name in set(names) if factory(name) is None)


def made(names: Sequence[str], context: Context) -> list[Gate]:
    """The gates ``names``, ours first and in their order. Unknown names are skipped: see :func:`unknown`."""
    order = [name for name in GATES if name in names] + [name for name in dict.fromkeys(names) if name not in GATES]
    makers = [maker for name in order if (maker := factory(name)) is not None]
    return [gate for maker in makers if (gate := maker(context)) is not None]


def described(entry: IndexEntry) -> str:
    """A readable name of an entry: CPV and build id."""
    try:
        build = entry.build_id
        return f"{entry.cpv}-{build}" if build is not None else str(entry.cpv)
    except (InvalidCpvError, InvalidEntryError):
        return entry.get("PATH", "?")


def run_gates(gates: Iterable[Gate], candidate: Candidate) -> list[Finding]:
    """All objections of ``gates``. An error in a gate is an objection too: what was not checked did not pass."""
    findings: list[Finding] = []
    for gate in gates:
        try:
            findings.extend(gate.check(candidate))
        except PortageExtError as error:
            findings.append(Finding(gate.name, "gate", str(error)))
    return findings


def passed(findings: Iterable[Finding], channel: str, where: Path, live: int | None = None) -> tuple[Finding, ...]:
    """The warnings, if there is nothing else among ``findings`` of the release in ``where``. Raises GateError."""
    every = tuple(findings)
    if not all(one.warning for one in every):
        raise GateError(channel, str(where), tuple(one for one in every if not one.warning), live)
    return every
