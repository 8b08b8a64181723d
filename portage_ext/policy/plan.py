"""Which order a merge list must keep so that no binary comes ahead of what it needs, and which needs nobody meets.

Pure: the list, the contracts and a view of the system go in, edges and problems come out. The list is walked with a
simulated system, which begins as the loader sees it now and changes with every step. Only what is proven is a problem: a
package that is still to be compiled has no contract, so what it replaces is unknown from then on, and the guard before each
merge judges with the files in hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from portage_ext.model.contract import Library, Need, SymbolContract

Kind = Literal["binary", "source", "uninstall"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the merge list. ``contract`` is None when it is not known; ``replaces`` names the installed packages that
    go, and ``removes`` says what these defined. ``preserves``: libraries that go and are still used stay (preserve-libs).
    """

    name: str
    cp: str
    kind: Kind
    contract: SymbolContract | None = None
    replaces: frozenset[str] = frozenset()
    removes: Mapping[Library, frozenset[str]] = field(default_factory=dict)
    preserves: bool = False
    exempt: bool = False
    """Its own needs are not looked at."""


class World(Protocol):
    """The system before the first step."""

    def judges(self, category: str) -> bool: ...

    def candidates(self, library: Library, search: tuple[str, ...] = ()) -> tuple[frozenset[str], ...]: ...

    def owners(self, library: Library) -> frozenset[str]:
        """The packages (category/name) that have the library installed."""
        ...

    def users(self, library: Library) -> Iterable[tuple[str, Need]]:
        """The installed packages that need the library, and what they need of it."""
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

    ``found`` is false when there is no such library at all; ``missing`` are the versions that it lacks.
    """

    step: int
    need: Need
    missing: frozenset[str]
    found: bool
    victim: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the walk found."""

    edges: tuple[Edge, ...] = ()
    problems: tuple[Problem, ...] = ()


_NOW: Final = -1


@dataclass(frozen=True, slots=True)
class _Provided:
    """A library after some steps: ``versions`` None is unknown, ``there`` false is gone; ``by`` is the step, or none."""

    versions: frozenset[str] | None
    there: bool
    by: int


def check(steps: Sequence[Step], world: World) -> Verdict:
    """Walk ``steps`` in their order. The edges say what must be earlier and is not, or is so only by chance."""
    walk = _Walk(steps, world)
    for place in range(len(steps)):
        walk.step(place)
    return Verdict(tuple(dict.fromkeys(walk.edges)), tuple(dict.fromkeys(walk.problems)))


class _Walk:
    def __init__(self, steps: Sequence[Step], world: World) -> None:
        self._steps = steps
        self._world = world
        self._changed: dict[Library, _Provided] = {}
        self._merged: list[int] = []
        self._gone = frozenset().union(*(step.replaces for step in steps)) if steps else frozenset()
        self._definers: dict[Library, list[int]] = {}
        for place, step in enumerate(steps):
            if step.contract is not None and step.kind != "uninstall":
                for library in step.contract.defines:
                    self._definers.setdefault(library, []).append(place)
        self._unknown = [p for p, step in enumerate(steps) if step.contract is None and step.kind != "uninstall"]
        self.edges: list[Edge] = []
        self.problems: list[Problem] = []

    def step(self, place: int) -> None:
        step = self._steps[place]
        if step.contract is not None and step.kind == "binary" and not step.exempt:
            for need, search in needs_of(step.contract):
                if self._world.judges(need.category):
                    self._need(place, need, search)
        self._apply(place, step)
        if step.kind != "uninstall":
            self._merged.append(place)

    def _need(self, place: int, need: Need, search: tuple[str, ...]) -> None:
        before = _holds(need, self._world.candidates(need.library, search))
        provided = self._changed.get(need.library)
        if self._holds(need, search):
            # Met by an earlier step alone: an edge keeps it so when several are merged at once.
            if provided is not None and provided.by != _NOW and not before:
                self.edges.append(Edge(provided.by, place, need))
            return
        for later in self._definers.get(need.library, ()):
            contract = self._steps[later].contract
            if later > place and contract is not None and _meets(need, contract.defines[need.library]):
                self.edges.append(Edge(later, place, need))
                return
        found = self._there(need, search)
        unknown = self._unknown_provider(need)
        if unknown is not None:
            if unknown > place:
                self.edges.append(Edge(unknown, place, need))
        elif found or not self._unknown:  # something to be compiled may well install a library that is nowhere yet
            self.problems.append(Problem(place, need, self._lacking(need, search), found))

    def _unknown_provider(self, need: Need) -> int | None:
        if not self._unknown:
            return None
        owners = self._world.owners(need.library)
        return next((place for place in self._unknown if self._steps[place].cp in owners), None)

    def _holds(self, need: Need, search: tuple[str, ...]) -> bool:
        provided = self._changed.get(need.library)
        if provided is None:
            return _holds(need, self._world.candidates(need.library, search))
        if provided.there:
            return provided.versions is None or _meets(need, provided.versions)
        # Gone from where everybody looks; RUNPATH may still lead to another copy.
        own = self._world.candidates(need.library, search)
        return need.plugin or (bool(search) and len(own) > 1 and _holds(need, own[:-1]))

    def _there(self, need: Need, search: tuple[str, ...]) -> bool:
        provided = self._changed.get(need.library)
        return provided.there if provided is not None else bool(self._world.candidates(need.library, search))

    def _lacking(self, need: Need, search: tuple[str, ...]) -> frozenset[str]:
        provided = self._changed.get(need.library)
        if provided is not None:
            return need.versions - (provided.versions or frozenset())
        candidates = self._world.candidates(need.library, search)
        return min((need.versions - defined for defined in candidates), key=len, default=need.versions)

    def _apply(self, place: int, step: Step) -> None:
        defines: Mapping[Library, frozenset[str]] = step.contract.defines if step.contract is not None else {}
        for library, versions in step.removes.items():
            if library in defines:
                continue
            if step.contract is None and step.kind != "uninstall":
                self._changed[library] = _Provided(None, True, place)
            elif not step.preserves:
                self._changed[library] = _Provided(versions, False, place)
                self._broken(place, library)
        for library, versions in defines.items():
            if not self._world.judges(library[0]):
                continue
            replaced = library in step.removes
            self._changed[library] = _Provided(versions if replaced else self._beside(library, versions), True, place)
            if replaced and not step.removes[library] <= versions:
                self._broken(place, library)

    def _beside(self, library: Library, versions: frozenset[str]) -> frozenset[str] | None:
        """The versions of a library that comes beside another of the same name, as a compiler in a new slot does.

        Which of both the loader takes is only known when the configuration has been updated.
        """
        provided = self._changed.get(library)
        others = (
            ((provided.versions,) if provided.there else ()) if provided is not None else self._world.candidates(library)[-1:]
        )
        joined: frozenset[str] = versions
        for other in others:
            if other is None:
                return None
            joined |= other
        return joined

    def _broken(self, place: int, library: Library) -> None:
        """Who is left without what the step took away: installed packages that stay, and binaries merged before."""
        for name, need in self._world.users(library):
            if name not in self._gone and not self._holds(need, ()):
                self.problems.append(Problem(place, need, self._lacking(need, ()), self._there(need, ()), name))
        for merged in self._merged:
            contract = self._steps[merged].contract
            if contract is None or self._steps[merged].exempt or self._steps[merged].kind != "binary":
                continue
            for need, search in needs_of(contract):
                if need.library == library and not self._holds(need, search):
                    lacking = self._lacking(need, search)
                    self.problems.append(Problem(place, need, lacking, self._there(need, search), self._steps[merged].name))


def needs_of(contract: SymbolContract) -> Iterator[tuple[Need, tuple[str, ...]]]:
    """Each need with the directories in which it is looked for besides the system's."""
    for need in contract.needs:
        yield need, contract.search.get(need.category, ())


def _meets(need: Need, versions: frozenset[str]) -> bool:
    return not versions or need.versions <= versions


def _holds(need: Need, candidates: tuple[frozenset[str], ...]) -> bool:
    return any(_meets(need, versions) for versions in candidates) if candidates else need.plugin
