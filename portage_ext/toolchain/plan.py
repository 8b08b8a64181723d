"""Which order a merge list must keep so that no binary comes ahead of what it needs, and which needs nobody meets.

Pure: the list, the contracts and a view of the system go in, edges and problems come out. The list is walked with a
simulated system, which begins as the loader sees it now and changes with every step. Only what is proven is a problem: a
package that is still to be compiled has no contract, so what it replaces is unknown from then on, and the guard before each
merge judges with the files in hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, Protocol

from portage_ext.model.contract import Library, Need, SymbolContract

Kind = Literal["binary", "source", "uninstall"]


class Remaining(Protocol):
    """The system without what goes."""

    def candidates(self, library: Library, search: tuple[str, ...] = ()) -> tuple[frozenset[str], ...]: ...


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the merge list. ``contract`` is None when it is not known; ``replaces`` names the installed packages that
    go, ``removes`` says what these defined, and ``leaves`` what is left of it elsewhere. ``hides`` are libraries that go from
    where RUNPATH alone finds them, and ``without`` is the system then. ``preserves``: libraries that go, of which nothing is
    left and which are still used, stay (preserve-libs).
    """

    name: str
    cp: str
    kind: Kind
    contract: SymbolContract | None = None
    replaces: frozenset[str] = frozenset()
    removes: Mapping[Library, frozenset[str]] = field(default_factory=dict)
    leaves: Mapping[Library, frozenset[str]] = field(default_factory=dict)
    hides: frozenset[Library] = frozenset()
    without: Remaining | None = None
    preserves: bool = False
    exempt: bool = False
    """Its own needs are not looked at."""


class User(NamedTuple):
    """A package, what it needs of a library, and where it looks for it besides the system's directories."""

    name: str
    need: Need
    search: tuple[str, ...] = ()


class Installed(Remaining, Protocol):
    """The system as it is, and who needs what."""

    def judges(self, category: str) -> bool: ...

    def users(self, library: Library) -> Iterable[User]:
        """The installed packages that need the library."""
        ...


class World(Installed, Protocol):
    """The system before the first step."""

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
        before = holds(need, self._world.candidates(need.library, search))
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
            return holds(need, self._world.candidates(need.library, search))
        if provided.there and (provided.versions is None or _meets(need, provided.versions)):
            return True
        # Not where everybody looks; RUNPATH may still lead to another copy.
        private = self._private(need, search)
        return holds(need, private) if private else need.plugin and not provided.there

    def _private(self, need: Need, search: tuple[str, ...]) -> tuple[frozenset[str], ...]:
        if not search:
            return ()
        found = self._world.candidates(need.library, search)
        return found[: len(found) - len(self._world.candidates(need.library))]

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
            if library not in defines:
                left = self._left(place, step, library)
                if left is not None:
                    self._change(place, library, left, versions)
        for library, versions in defines.items():
            if not self._world.judges(library[0]):
                continue
            replaced = library in step.removes
            provided = _Provided(versions if replaced else self._beside(library, versions), True, place)
            self._change(place, library, provided, step.removes.get(library, frozenset()))

        for library in step.hides:
            self._hide(place, step, library)

    def _hide(self, place: int, step: Step, library: Library) -> None:
        """What a private directory loses concerns whoever looks there and finds nothing else that will do."""
        if step.without is None or (step.kind == "uninstall" and self._unknown):
            return
        provided = self._changed.get(library)
        for name, need, search in self._users(library):
            if not search or not self._world.judges(library[0]) or not self._holds(need, search):
                continue
            left = step.without.candidates(library, search)
            if provided is not None:
                # The system's own has changed since; what is left here is what RUNPATH leads to.
                left = left[: len(left) - len(step.without.candidates(library))]
                if provided.there and (provided.versions is None or _meets(need, provided.versions)):
                    continue
            if holds(need, left) or (step.preserves and not left) or self._met_later(place, need):
                continue
            missing = min((need.versions - defined for defined in left), key=len, default=need.versions)
            self.problems.append(Problem(place, need, missing, bool(left), name))

    def _left(self, place: int, step: Step, library: Library) -> _Provided | None:
        """What is there of a library that ``step`` takes away and does not bring; None when it stays as it is."""
        for earlier in reversed(self._merged):
            contract = self._steps[earlier].contract
            if contract is not None and library in contract.defines:
                return _Provided(contract.defines[library], True, earlier)
        # What is compiled may bring anything, and an uninstall mostly makes room for what is merged in its stead.
        if (step.contract is None and step.kind != "uninstall") or (step.kind == "uninstall" and self._unknown):
            return _Provided(None, True, place)
        if library in step.leaves:
            return _Provided(step.leaves[library], True, place)
        return None if step.preserves else _Provided(frozenset(), False, place)

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

    def _change(self, place: int, library: Library, provided: _Provided, before: frozenset[str]) -> None:
        """Put ``provided`` in the place of what defined ``before``; who had what it needs and is left without is a problem."""
        harmless = provided.versions is None or (provided.there and (not provided.versions or before <= provided.versions))
        met = [] if harmless else [user for user in self._users(library) if self._holds(user.need, user.search)]
        self._changed[library] = provided
        for name, need, search in met:
            if not self._holds(need, search) and not self._met_later(place, need):
                self.problems.append(Problem(place, need, self._lacking(need, search), self._there(need, search), name))

    def _users(self, library: Library) -> Iterator[User]:
        """Installed packages that stay, and binaries merged so far."""
        yield from (user for user in self._world.users(library) if user.name not in self._gone)
        for merged in self._merged:
            step = self._steps[merged]
            if step.contract is not None and step.kind == "binary" and not step.exempt:
                for need, search in needs_of(step.contract):
                    if need.library == library:
                        yield User(step.name, need, search)

    def _met_later(self, place: int, need: Need) -> bool:
        found = (self._steps[later].contract for later in self._definers.get(need.library, ()) if later > place)
        return any(contract is not None and _meets(need, contract.defines[need.library]) for contract in found)


def needs_of(contract: SymbolContract) -> Iterator[tuple[Need, tuple[str, ...]]]:
    """Each need with the directories in which it is looked for besides the system's."""
    for need in contract.needs:
        yield need, contract.search.get(need.category, ())


def _meets(need: Need, versions: frozenset[str]) -> bool:
    return not versions or need.versions <= versions


def holds(need: Need, candidates: tuple[frozenset[str], ...]) -> bool:
    """Whether the loader is content with one of ``candidates``. A library that only a plugin misses is no reason not to be."""
    return any(_meets(need, versions) for versions in candidates) if candidates else need.plugin
