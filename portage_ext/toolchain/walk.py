"""Which order a merge list must keep so that no binary is merged before what it needs, and which needs nothing meets.

Pure: the list, the contracts and a view of the system go in, edges and problems come out. The list is walked with a
simulated system, which starts as the loader sees it now and changes with every step. Only proven breaks are problems: a
package that will be compiled has no contract yet, so what it replaces is unknown from then on. The guard before each merge
then checks the actual files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from portage_ext.model.contract import ANY, Library, Need, Placed
from portage_ext.toolchain.plan import Edge, Problem, Step, User, Verdict, World, needs_of
from portage_ext.toolchain.simulated import NOW, Provided, Simulated, holds, meets


def check(steps: Sequence[Step], world: World) -> Verdict:
    """Walk ``steps`` in their order. The edges say what must come earlier but does not, or does so only by chance."""
    walk = _Walk(steps, world)
    for place in range(len(steps)):
        walk.step(place)
    # A package whose replacement would not run is not replaced, so it counts as broken like any other.
    failing = {problem.step for problem in walk.problems}
    stays = [problem for successor, problem in walk.excused if successor in failing]
    return Verdict(tuple(dict.fromkeys(walk.edges)), tuple(dict.fromkeys(walk.problems + stays)))


class _Walk:
    def __init__(self, steps: Sequence[Step], world: World) -> None:
        self._steps = steps
        self._world = world
        self._now = Simulated(world)
        self._merged: list[int] = []
        self._gone: set[str] = set()
        """What the steps so far have replaced or removed."""
        self._successor = {name: place for place, step in enumerate(steps) for name in step.replaces}
        self._definers: dict[Library, list[int]] = {}
        self._private: dict[Library, list[tuple[int, str]]] = {}
        for place, step in enumerate(steps):
            if step.contract is not None and step.kind != "uninstall":
                for library in step.contract.defines:
                    self._definers.setdefault(library, []).append(place)
                for directory, library in step.contract.private or ():
                    self._private.setdefault(library, []).append((place, directory))
        self._unknown = [p for p, step in enumerate(steps) if step.contract is None and step.kind != "uninstall"]
        self._vague = [p for p, step in enumerate(steps) if step.kind != "uninstall" and (step.may is None or step.may)]
        self.edges: list[Edge] = []
        self.problems: list[Problem] = []
        self.excused: list[tuple[int, Problem]] = []
        """Packages that are broken only until a later step replaces them, with that step."""

    def step(self, place: int) -> None:
        step = self._steps[place]
        if step.contract is not None and step.kind == "binary" and not step.exempt:
            for need, search in needs_of(step.contract):
                if self._world.judges(need.category):
                    self._need(place, need, search)
        self._apply(place, step)
        self._gone |= step.replaces
        if step.kind != "uninstall":
            self._merged.append(place)

    def _edge(self, earlier: int, later: int, need: Need) -> None:
        # Portage itself decides where an uninstall for a blocker goes.
        if earlier != later and "uninstall" not in (self._steps[earlier].kind, self._steps[later].kind):
            self.edges.append(Edge(earlier, later, need))

    def _need(self, place: int, need: Need, search: tuple[str, ...]) -> None:
        met = self._now.met(need, search)
        if met is not None:
            # Met by an earlier step alone: an edge keeps it so when several are merged at once.
            if met.by != NOW and not holds(need, self._world.candidates(need.library, search)):
                self._edge(met.by, place, need)
                if met.versions is None:
                    for other in self._possible(place, need):
                        self._edge(other, place, need)
            return
        if self._now.holds(need, search):
            return
        later = self._later(place, need, search)
        providers = self._possible(place, need) if later is None else [later]
        for provider in providers:
            self._edge(provider, place, need)
        if not providers and not self._elsewhere(place, need, search) and not self._unproven(place, need, search):
            found = bool(self._now.options(need, search))
            self.problems.append(Problem(place, need, self._now.lacking(need, search), found))

    def _later(self, place: int, need: Need, search: tuple[str, ...]) -> int | None:
        """A step after ``place`` whose contract provides what ``need`` asks for where it is searched."""
        for later in self._definers.get(need.library, ()):
            contract = self._steps[later].contract
            if later > place and contract is not None and meets(need, contract.defines[need.library]):
                return later
        directory, slash, name = need.soname.rpartition("/")
        wanted = (need.category, name) if slash else need.library
        places = (directory,) if slash else search
        return next((later for later, where in self._privately(need, wanted) if later > place and where in places), None)

    def _privately(self, need: Need, library: Library) -> Iterator[tuple[int, str]]:
        """The steps that provide ``library`` for ``need`` in a private directory, with the directory."""
        for place, directory in (*self._private.get(library, ()), *self._private.get((library[0], ANY), ())):
            contract = self._steps[place].contract
            found = (contract.private or {}).get((directory, library)) if contract is not None else None
            if found is None or meets(need, found):
                yield place, directory

    def _possible(self, place: int, need: Need) -> list[int]:
        """The steps whose content is unknown and that may provide what ``need`` asks for."""
        if not self._vague:
            return []
        declared = self._world.depends(self._steps[place].name)
        others = [other for other in self._vague if other != place]
        new = [other for other in others if self._steps[other].may is None]
        found = [other for other in others if need.library in (self._steps[other].may or ())]
        # If its owner is rebuilt, the library may move to any package that has never been built.
        return sorted(found + [other for other in new if found or self._steps[other].cp in declared])

    def _elsewhere(self, place: int, need: Need, search: tuple[str, ...]) -> bool:
        """Whether the library is in a directory that the loader is not known to search.

        A link or a script with LD_LIBRARY_PATH may lead there, so a library of a dependency is never proven to be missing.
        """
        dependencies = self._world.dependencies(self._steps[place].name)
        if search and self._world.leads(need, search, dependencies):
            return False  # RUNPATH is how it is found, and it is not there
        for other, _ in self._privately(need, need.library):
            if other != place and (search or self._steps[other].cp in dependencies):
                self._edge(other, place, need)
                return True
        return self._world.privately(need, dependencies, self._gone)

    def _unproven(self, place: int, need: Need, search: tuple[str, ...]) -> bool:
        """Whether a package that will be compiled may provide a library that does not exist yet, or that no package owns.

        Possible are packages that have never been built, and dependencies, whose next build may differ.
        """
        if not self._unknown:
            return False
        options = self._now.options(need, search)
        if options and (self._world.owners(need.library) or any(one.by != NOW for one in options)):
            return False
        declared = self._world.dependencies(self._steps[place].name)
        led = bool(search) and self._world.leads(need, search, declared)
        new = [other for other in self._unknown if self._steps[other].may is None and not led]
        others = sorted({*new, *(other for other in self._unknown if self._steps[other].cp in declared)})
        for other in others:
            self._edge(other, place, need)
        return bool(others)

    def _apply(self, place: int, step: Step) -> None:
        defines: Mapping[Library, frozenset[str]] = step.contract.defines if step.contract is not None else {}
        for library, versions in step.removes.items():
            if library not in defines:
                left = self._left(place, step, library)
                if left is not None:
                    self._change(place, library, None, left, versions)
        for library, versions in defines.items():
            if not self._world.judges(library[0]):
                continue
            replaced = library in step.removes
            provided = Provided(versions if replaced else self._beside(library, versions), True, place)
            self._change(place, library, None, provided, step.removes.get(library, frozenset()))
        private = (step.contract.private if step.contract is not None else None) or {}
        for placed, versions in step.hides.items():
            hidden = self._hidden(place, step, placed) if placed not in private else None
            if hidden is not None and self._world.judges(placed[1][0]):
                self._change(place, placed[1], placed[0], hidden, versions)
        for (directory, library), versions in private.items():
            provided = Provided(None if library[1] == ANY else versions, True, place)
            self._change(place, library, directory, provided, step.hides.get((directory, library), frozenset()))

    def _hidden(self, place: int, step: Step, placed: Placed) -> Provided | None:
        """What remains of a library that ``step`` removes from a private directory; None if it stays unchanged."""
        directory, library = placed
        private = step.contract.private if step.contract is not None else None
        if private is not None:
            unknown = (directory, (library[0], ANY)) in private
        elif step.kind == "uninstall":
            unknown = bool(self._unknown)
        else:
            unknown = step.contract is None or step.may is None or library in step.may
        if unknown:
            return Provided(None, True, place)
        gone = step.kind == "uninstall"
        return (
            None
            if step.preserves and self._world.keeps(step.replaces, library, gone=gone)
            else Provided(frozenset(), False, place)
        )

    def _left(self, place: int, step: Step, library: Library) -> Provided | None:
        """What remains of a library that ``step`` removes and does not provide; None if it stays unchanged."""
        for earlier in reversed(self._merged):
            other = self._steps[earlier]
            if other.contract is not None and library in other.contract.defines:
                return Provided(other.contract.defines[library], True, earlier)
            if other.contract is None and other.may is not None and library in other.may:
                return Provided(None, True, earlier)
        # A compiled package may provide anything, and an uninstall usually makes room for a replacement.
        if (step.contract is None and step.kind != "uninstall") or (step.kind == "uninstall" and self._unknown):
            return Provided(None, True, place)
        if library in step.leaves:
            return Provided(step.leaves[library], True, place)
        private = (step.contract.private if step.contract is not None else None) or {}
        still = [directory for directory, other in private if other == library]
        preserved = step.preserves and self._world.keeps(step.replaces, library, still, gone=step.kind == "uninstall")
        return None if preserved else Provided(frozenset(), False, place)

    def _beside(self, library: Library, versions: frozenset[str]) -> frozenset[str] | None:
        """The versions of a library that is installed beside another of the same name, as with a compiler in a new slot.

        Which of them the loader uses is known only after the configuration has been updated.
        """
        other = self._now.in_public(library)
        if not other.there:
            return versions
        return None if other.versions is None else versions | other.versions

    def _change(self, place: int, library: Library, directory: str | None, provided: Provided, before: frozenset[str]) -> None:
        """Replace what defined ``before`` by ``provided``, in ``directory`` or in the public directories."""
        harmless = provided.versions is None or (provided.there and (not provided.versions or before <= provided.versions))
        nothing_goes = harmless and provided.by == place
        users = [] if nothing_goes and directory is None else [one for one in self._users(library) if self._runs(one[0])]
        if directory is not None:
            # A library that is new in a directory may hide another one, further on in the order of a program's search.
            users = [one for one in users if directory in one[0].search and (one[0].ordered or not nothing_goes)]
            if not harmless:
                users += self._led_to(directory, library)
        first = {by for _, by in users if by != NOW and self._goes_first(place, by)}
        if directory is None:
            self._now.public[library] = provided
        else:
            self._now.private[directory, library] = provided
        for user, successor in users:
            if self._runs(user):
                met = self._now.met(user.need, user.search, ordered=user.ordered)
                if successor == NOW and met is not None and met.by not in (NOW, place):
                    self._edge(met.by, place, user.need)
                continue
            found = bool(self._now.options(user.need, user.search))
            lacking = self._now.lacking(user.need, user.search, ordered=user.ordered)
            hides = user.ordered and self._now.holds(user.need, user.search)
            problem = Problem(place, user.need, lacking, found, user.name, hides)
            if successor != NOW:
                # It is replaced later. If its replacement needs this step first, no order helps.
                if successor in first:
                    self._edge(successor, place, user.need)
                self.excused.append((successor, problem))
            elif not (self._covered(place, user, directory) if hides else self._relieved(place, user)):
                self.problems.append(problem)

    def _led_to(self, directory: str, library: Library) -> Iterator[tuple[User, int]]:
        """The users that find the library only through a script, in ``directory``, where a dependency has it."""
        for user, successor in self._users(library):
            there = (*user.search, directory)
            if not self._now.holds(user.need, user.search) and self._now.met(user.need, there):
                cps = self._world.dependencies(user.name)
                if any(step.cp in cps for step in self._steps if any(placed == (directory, library) for placed in step.hides)):
                    yield User(user.name, user.need, there), successor

    def _goes_first(self, place: int, successor: int) -> bool:
        """Whether the step ``successor`` would run without the step ``place``, so that it can be merged before it."""
        step = self._steps[successor]
        if successor == place or step.contract is None or step.kind != "binary":
            return False
        return all(
            self._now.holds(need, search) for need, search in needs_of(step.contract) if self._world.judges(need.category)
        )

    def _relieved(self, place: int, user: User) -> bool:
        """Whether a step after ``place`` provides what ``place`` takes from ``user``; that step should come first."""
        later = self._later(place, user.need, user.search)
        if later is None:
            others = (other for other in self._vague if other > place)
            later = next((other for other in others if user.need.library in (self._steps[other].may or ())), None)
        if later is not None:
            self._edge(later, place, user.need)
        return later is not None

    def _covered(self, place: int, user: User, directory: str | None) -> bool:
        """Whether a step after ``place`` provides what it hides, in ``directory`` or in one that is searched earlier."""
        until = user.search.index(directory) + 1 if directory is not None else 0
        found = self._privately(user.need, user.need.library)
        return any(later > place and where in user.search[:until] for later, where in found)

    def _runs(self, user: User) -> bool:
        """Whether the loader finds what ``user`` needs."""
        return self._now.holds(user.need, user.search, ordered=user.ordered)

    def _users(self, library: Library) -> Iterator[tuple[User, int]]:
        """Installed packages, with the step that replaces them or NOW, and binaries merged so far."""
        yield from ((user, self._successor.get(user.name, NOW)) for user in self._world.users(library))
        for merged in self._merged:
            step = self._steps[merged]
            if step.contract is not None and step.kind == "binary" and not step.exempt:
                for need, search in needs_of(step.contract):
                    if need.library == library:
                        yield User(step.name, need, search), NOW
