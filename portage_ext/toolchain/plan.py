"""Input and output of the check of a merge list: steps and a view of the system go in, edges and problems come out.

The check itself is in ``toolchain.walk``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from portage_ext.model.contract import Library, Need, Placed, SymbolContract
from portage_ext.toolchain.simulated import Placing, Seen

Kind = Literal["binary", "source", "uninstall"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the merge list. ``contract`` is None when it is not known; ``replaces`` names the installed packages that
    go, ``removes`` says what these defined, and ``leaves`` what is left of it elsewhere. ``hides`` is what they had where
    RUNPATH alone leads. ``may`` are libraries that it may bring and nobody knows how: of what is to be compiled, and of
    private ones that a contract does not tell; None is anything. ``preserves``: FEATURES=preserve-libs is on.
    """

    name: str
    cp: str
    kind: Kind
    contract: SymbolContract | None = None
    replaces: frozenset[str] = frozenset()
    removes: Mapping[Library, frozenset[str]] = field(default_factory=dict)
    leaves: Mapping[Library, frozenset[str]] = field(default_factory=dict)
    hides: Mapping[Placed, frozenset[str]] = field(default_factory=dict)
    may: frozenset[Library] | None = frozenset()
    preserves: bool = False
    exempt: bool = False
    """Its own needs are not looked at."""


class User(NamedTuple):
    """A package, what it needs of a library, and where it looks for it besides the system's directories."""

    name: str
    need: Need
    search: tuple[str, ...] = ()
    ordered: bool = False
    """Only programs need it, and all search these directories in this order: the loader takes the first library of the name,
    whatever versions that has. Otherwise ``search`` is of several objects, and any library that is found there may do.
    """


class Installed(Seen, Protocol):
    """The system as it is, and who needs what."""

    def judges(self, category: str) -> bool: ...

    def users(self, library: Library) -> Iterable[User]:
        """The installed packages that need the library."""
        ...


class World(Installed, Placing, Protocol):
    """The system before the first step."""

    def keeps(self, replaced: frozenset[str], library: Library, still: Collection[str] = (), *, gone: bool = False) -> bool:
        """Whether Portage preserves the library when these packages are removed. It cannot in directories ``still`` in use.

        ``gone``: nothing replaces them.
        """
        ...

    def depends(self, name: str) -> Collection[str]:
        """The packages (category/name) that ``name``, installed or of the list, declares to need at run time."""
        ...

    def dependencies(self, name: str) -> Collection[str]:
        """The same, with transitive dependencies."""
        ...

    def leads(self, need: Need, search: Collection[str], owners: Collection[str]) -> bool:
        """Whether some version of one of ``owners`` has the library in ``search``, so that RUNPATH leads to it."""
        ...

    def privately(self, need: Need, owners: Collection[str], without: Collection[str]) -> bool:
        """Whether an installed package of ``owners`` that is none of ``without`` has in a directory of its own what may do."""
        ...

    def owners(self, library: Library) -> frozenset[str]:
        """The packages (category/name) that have the library installed."""
        ...


@dataclass(frozen=True, slots=True)
class Edge:
    """The step ``later`` must not be merged before ``earlier`` is; both are places in the list. ``need`` is the reason."""

    earlier: int
    later: int
    need: Need


@dataclass(frozen=True, slots=True)
class Problem:
    """A need that nothing meets: of the step ``step`` itself, or, with ``victim``, of a package that the step would break.

    ``found`` is false when there is no such library at all; ``missing`` are the versions that it lacks. ``hides``: the step
    takes nothing away, but its own library is found before the one that the victim needs.
    """

    step: int
    need: Need
    missing: frozenset[str]
    found: bool
    victim: str | None = None
    hides: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of the walk."""

    edges: tuple[Edge, ...] = ()
    problems: tuple[Problem, ...] = ()


def needs_of(contract: SymbolContract) -> Iterator[tuple[Need, tuple[str, ...]]]:
    """Each need with the directories in which it is searched in addition to the system's."""
    for need in contract.needs:
        yield need, contract.search.get(need.category, ())
