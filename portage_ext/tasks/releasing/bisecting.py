"""Which release broke something, and which of its packages: releases are installed by halves, each in a new scratch root.

First the releases between a good and a bad one are halved. Then the packages that changed in the first bad release are halved:
the release before it gets the changed packages one after another, each after those that it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from portage_ext.errors import InvalidCpvError, InvalidEntryError, UsageError
from portage_ext.host.scratch import Chosen, installed
from portage_ext.index.text import emit_header
from portage_ext.model import IndexEntry
from portage_ext.releases.gates import described
from portage_ext.releases.halving import Found, Verdict, first_bad
from portage_ext.releases.tree import Tree
from portage_ext.tasks.releasing.releases import number_of
from portage_ext.tasks.site import Site
from portage_ext.toolchain.depends import closure, declared

_VARIABLES: Final = ("RDEPEND", "PDEPEND", "IDEPEND")
_SKIPPED: Final = 125
_STRANGE: Final = 128
"""As for `git bisect run`: 125 means that this cannot be tested, and from 128 on something is wrong with the command."""
Slot = tuple[str, str]
"""The name of a package and its slot, without sub-slot: of these, a client installs one build."""
Tell = Callable[[str, Verdict, str], None]
"""Is told what was tested, the result, and the reason."""
Installer = Callable[[Chosen, Sequence[str]], "str | None"]


@dataclass(frozen=True, slots=True)
class Culprit:
    """A package (category/name:slot) and its builds before and after; none if it was not there."""

    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bisected:
    """``good`` is the last good release and ``bad`` the first bad one; ``between`` could not be tested.

    ``packages`` broke ``bad``: one, or more if they could not be told apart. ``installations`` counts the scratch roots.
    """

    channel: str
    good: int
    bad: int
    between: tuple[int, ...]
    packages: tuple[Culprit, ...]
    installations: int


@dataclass(slots=True, eq=False)
class _Trials:
    """Installs what is to be tested, and says how it was."""

    test: Callable[[Chosen, Sequence[str]], tuple[Verdict, str]]
    tell: Tell
    count: int = 0

    def try_out(self, what: str, chosen: Chosen, atoms: Sequence[str]) -> Verdict:
        self.count += 1
        verdict, why = self.test(chosen, atoms)
        self.tell(what, verdict, why)
        return verdict


def bisect(
    site: Site,
    good: str,
    bad: str,
    command: Sequence[str] = (),
    *,
    install: Sequence[str] = (),
    repository: str | None = None,
    tree: Path | None = None,
    tell: Tell = lambda what, verdict, why: None,
) -> Bisected:
    """Find the release between ``good`` and ``bad``, each a number or a channel, that broke ``command``, and the package.

    ``command`` runs in the scratch root, and its exit status is the result; without it, a release is bad if emerge cannot
    install it. ``install`` are names of packages (none: all that changed). Raises UsageError, UnknownNumberError,
    UnknownChannelError, TreeError, GateUnavailableError, OSError.
    """
    place = site.tree(repository, tree)
    first, last = number_of(place, good), number_of(place, bad)
    provided = site.settings.publishing.of(place.release(last).channel).provided

    def test(chosen: Chosen, atoms: Sequence[str]) -> tuple[Verdict, str]:
        with installed("bisect", chosen, atoms, provided) as (scratch, failed):
            if failed:
                return (Verdict.SKIPPED if command else Verdict.BAD), failed
            if not command:
                return Verdict.GOOD, ""
            return judged(scratch.run(command))

    return search(place, first, last, install, test, tell)


def judged(status: int | None) -> tuple[Verdict, str]:
    """What the exit status of a command says; None: it did not end in time. Raises UsageError if it says nothing."""
    if status is None:
        return Verdict.SKIPPED, "the command did not end in time"
    if status < 0 or status >= _STRANGE:
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        raise UsageError(
            f"the command {how}, which says nothing about the release. Let it end with 0 for good, 1 to 127 for bad, "
            f"or {_SKIPPED} if a release cannot be tested"
        )
    if status == _SKIPPED:
        return Verdict.SKIPPED, f"the command ended with status {_SKIPPED}"
    return (Verdict.BAD, f"the command ended with status {status}") if status else (Verdict.GOOD, "")


def search(
    place: Tree,
    first: int,
    last: int,
    install: Sequence[str],
    test: Callable[[Chosen, Sequence[str]], tuple[Verdict, str]],
    tell: Tell,
) -> Bisected:
    """As :func:`bisect`, where ``test`` installs packages, given with the names to install, and judges them."""
    steps = _steps(place, first, last)
    ends = _Release.read(place, steps[0]), _Release.read(place, steps[-1])
    names = frozenset(install) or frozenset(slot[0] for slot in _changed(*ends))
    trials = _Trials(test, tell)

    def release(step: int) -> Verdict:
        one = _Release.read(place, steps[step])
        return trials.try_out(f"release {one.number}", one.chosen(names), one.atoms(names))

    found = first_bad(len(steps) - 1, release)
    before, after = (_Release.read(place, steps[step]) for step in (found.good, found.bad))
    changes = _ordered(_changed(before, after, names), after)
    part = _packages(before, after, changes, names, trials) if len(changes) > 1 else Found(0, len(changes))
    return Bisected(
        place.release(after.number).channel,
        before.number,
        after.number,
        tuple(steps[found.good + 1 : found.bad]),
        tuple(_culprit(slot, before, after) for slot in changes[part.good : part.bad]),
        trials.count,
    )


def _packages(before: _Release, after: _Release, changes: Sequence[Slot], names: frozenset[str], trials: _Trials) -> Found:
    def mixture(count: int) -> Verdict:
        new = frozenset(changes[:count])
        mixed = before.with_slots(after, new)
        what = f"release {before.number} with {count} of the {len(changes)} packages that changed in release {after.number}"
        return trials.try_out(what, mixed.chosen(names), mixed.atoms(names))

    return first_bad(len(changes), mixture)


@dataclass(frozen=True, slots=True, eq=False)
class _Release:
    """A release, or a mixture of two: for each slot its builds, and where their files are."""

    number: int
    header: Mapping[str, str]
    slots: Mapping[Slot, Sequence[tuple[Path, IndexEntry, bytes]]] = field(default_factory=dict)

    @classmethod
    def read(cls, place: Tree, number: int) -> _Release:
        contents, directory = place.contents(number), place.directory(number)
        slots: dict[Slot, list[tuple[Path, IndexEntry, bytes]]] = {}
        for path, text in contents.entries.items():
            entry = contents.entry(path)
            if (slot := _slot(entry)) is not None:
                slots.setdefault(slot, []).append((directory, entry, text))
        return cls(number, contents.header, slots)

    def with_slots(self, other: _Release, taken: frozenset[Slot]) -> _Release:
        """This release with the builds of ``other`` in the slots ``taken``."""
        slots = {slot: found for slot, found in self.slots.items() if slot not in taken}
        slots |= {slot: other.slots[slot] for slot in taken if slot in other.slots}
        return _Release(self.number, other.header, slots)

    def needed(self, names: Iterable[str]) -> frozenset[str]:
        """The packages ``names`` and all that they need, by name."""
        found: dict[str, set[str]] = {}
        for (name, _), builds in self.slots.items():
            needs = found.setdefault(name, set())
            for _, entry, _ in builds:
                needs.update(*(declared(entry.get(variable)) for variable in _VARIABLES))
        return closure(names, lambda name: found.get(name, ()))

    def chosen(self, names: frozenset[str]) -> Chosen:
        """The files of ``names`` and of what they need, with an index."""
        wanted = self.needed(names)
        builds = [one for (name, _), found in self.slots.items() if name in wanted for one in found]
        builds.sort(key=lambda one: one[1].get("CPV"))
        header = emit_header({**self.header, "PACKAGES": str(len(builds))})
        index = header + b"".join(text.strip(b"\n") + b"\n\n" for _, _, text in builds)
        return Chosen(index, tuple((directory, entry) for directory, entry, _ in builds))

    def atoms(self, names: frozenset[str]) -> list[str]:
        """What emerge is asked for."""
        return [f"{name}:{slot}" for name, slot in sorted(self.slots) if name in names]


def _steps(place: Tree, first: int, last: int) -> list[int]:
    """The releases to test from ``first`` to ``last``: each whose packages differ from those of the one before it."""
    channel = place.release(last).channel
    between = [number for number, one in place.known().items() if one.channel == channel and first < number < last]
    end = place.contents(last).body
    found, body = [first], place.contents(first).body
    if first >= last or body == end:
        why = "has the same packages as" if first < last else "is not newer than"
        raise UsageError(f"release {last} {why} release {first}. GOOD is the older release, and BAD is a newer one")
    for number in between:
        if (other := place.contents(number).body) != body:
            found.append(number)
            body = other
    if body != end:
        found.append(last)
    return found


def _slot(entry: IndexEntry) -> Slot | None:
    try:
        return entry.cpv.cp, entry.slot.partition("/")[0]
    except (InvalidCpvError, InvalidEntryError):
        return None


def _changed(before: _Release, after: _Release, names: Iterable[str] = ()) -> list[Slot]:
    """The slots with other builds; with ``names``, only those of what these packages need."""
    named = before.needed(names) | after.needed(names)
    return [
        slot
        for slot in sorted({*before.slots, *after.slots})
        if (not named or slot[0] in named) and _texts(before, slot) != _texts(after, slot)
    ]


def _texts(one: _Release, slot: Slot) -> list[bytes]:
    return sorted(text for _, _, text in one.slots.get(slot, ()))


def _ordered(slots: Sequence[Slot], after: _Release) -> list[Slot]:
    """``slots``, each after those that it needs, as far as that is possible."""
    needs = {slot: after.needed([slot[0]]) for slot in slots}
    # What needs the other comes later, so it needs more of these packages.
    return sorted(slots, key=lambda slot: (sum(other[0] in needs[slot] for other in slots), slot))


def _culprit(slot: Slot, before: _Release, after: _Release) -> Culprit:
    was, now = (tuple(described(entry) for _, entry, _ in one.slots.get(slot, ())) for one in (before, after))
    return Culprit(f"{slot[0]}:{slot[1]}", tuple(x for x in was if x not in now), tuple(x for x in now if x not in was))
